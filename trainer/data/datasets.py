"""The data set of a run, checked before anything is built on it."""

import dataclasses
import os

import features
from schemas import errors, manifest, record, splits
from tfrecords import held_out
from trainer.data import computed_feature, named_data
from trainer.data.raw import files

DEMO_DATA = 'demo/data'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data:
  """A data set and what of it the run learns from.

  Attributes:
    path: The folder.
    manifest: What is in it.
    digest: SHA-256 of manifest.json: it names every shard by its digest.
    feature: The model's input.
    computed: What the model computes of it in front of all else; None for nothing.
  """

  path: str
  manifest: manifest.DatasetManifest
  digest: str
  feature: record.FeatureSpec
  computed: record.FeatureSpec | None = None

  @property
  def typical_rows(self) -> int:
    """The rows of the feature, of a clip of mean length."""
    return typical_rows(self.manifest, self.feature)

  @property
  def train_rows(self) -> tuple[int, int]:
    """The rows of the feature, of the shortest and of the longest clip of the train split."""
    rate_hz = self.manifest.audio.sample_rate_hz if self.manifest.audio else 1
    shortest, longest = (
      _rows_of(samples / rate_hz, self.manifest, self.feature)
      for samples in self.manifest.length_samples(splits.TRAIN)
    )
    return shortest, longest

  @property
  def has_validation(self) -> bool:
    """Whether there is a validation split."""
    return splits.VALIDATION in self.manifest.split_names()

  @property
  def has_test(self) -> bool:
    """Whether there is a test split."""
    return splits.TEST in self.manifest.split_names()


def load(
  path: str,
  *,
  feature_name: str = '',
  compute: str = '',
  sample_rate_hz: int = 0,
  clip_s: float = 0.0,
  by_tensorflow: bool = True,
  unknown_labels: str = '',
  seed: int = 0,
) -> Data:
  """Returns the data set in a folder.

  Args:
    path: The folder, or raw files as `table:FILE` or `folders:FOLDER`.
    feature_name: The model's input; may be '' where there is one feature, or with `compute`.
    compute: What the model computes of it, such as `log_mel:num_mels=64`.
    sample_rate_hz: Of raw files.
    clip_s: Length of the clips of raw files, in seconds.
    by_tensorflow: See named_data.load.
    unknown_labels: Labels that are left out, as held_out.chosen reads them.
    seed: Decides which, where their number is given.

  Raises:
    DatasetError: if it is missing or unfinished, does not hold the feature, or cannot teach
      anything: clips without labels, an empty train split, or clips of one label only.
    ConfigError: if the feature cannot be computed.
  """
  if path == DEMO_DATA and not os.path.exists(path):
    raise errors.DatasetError(
      f'There is no demo data set in {path!r} yet. Make it with `python -m beam_jobs.featurize`, '
      'or name yours with --data=FOLDER.'
    )
  found, digest = named_data.load(
    path, sample_rate_hz=sample_rate_hz, clip_s=clip_s, by_tensorflow=by_tensorflow
  )
  if files.is_raw(path):
    compute = compute or files.COMPUTE
  if found.is_labelled:
    unknown = held_out.chosen(found.labels, unknown_labels, seed=seed)
    found = held_out.without(found, unknown)
  _check_learnable(found, path)
  names = [spec.name for spec in found.features]
  if compute and not feature_name and computed_feature.WAVEFORM in names:
    feature_name = computed_feature.WAVEFORM
  feature = found.feature(feature_name)
  return Data(
    path=path,
    manifest=found,
    digest=digest,
    feature=feature,
    computed=computed_feature.feature_spec(compute, feature, found.audio) if compute else None,
  )


def typical_rows(found: manifest.DatasetManifest, feature: record.FeatureSpec) -> int:
  """Returns the rows of a feature of a clip of mean length; those of all where they are alike."""
  stored_s, _ = found.seconds()
  num_records = sum(shard.num_records for shard in found.shards)
  if feature.is_variable and feature.name not in features.FEATURES:  # Such as an embedding.
    num_bytes = sum(shard.num_bytes for shard in found.shards)
    return max(1, num_bytes // max(1, num_records) // feature.row_bytes)
  return _rows_of(stored_s / max(1, num_records), found, feature)


def _rows_of(seconds: float, found: manifest.DatasetManifest, feature: record.FeatureSpec) -> int:
  """Returns the rows of a feature of a clip of so many seconds; those of all, if they are alike."""
  size = feature.shape[0]
  if size is not None or found.audio is None:
    return size or 1
  as_long = dataclasses.replace(found.audio, clip_s=max(seconds, 1 / found.audio.sample_rate_hz))
  try:
    return features.spec(feature.name, features.settings_of(feature), as_long).shape[0] or 1
  except errors.VoxshardError:  # Shorter than one window.
    return 1


def train_only(data: Data) -> Data:
  """Returns a data set as if it had no splits for validation and test."""
  shards = data.manifest.shards_of(splits.TRAIN)
  return dataclasses.replace(data, manifest=dataclasses.replace(data.manifest, shards=shards))


def unlearned_labels(found: manifest.DatasetManifest) -> list[str]:
  """Returns the labels that no clip of the train split has."""
  counts = found.label_counts(splits.TRAIN)
  return [label for label, count in zip(found.labels, counts, strict=True) if not count]


def said_of_unknown(found: manifest.DatasetManifest) -> str:
  """Returns what is said of labels that are left out; '' where none are."""
  unknown = held_out.labels_of(found)
  if not unknown:
    return ''
  whole = held_out.of_files(found)
  count = whole.num_records(splits.TEST) - found.num_records(splits.TEST)
  judged = (
    f'{errors.counted(count, "example")} of the {splits.TEST} split judge what is none of these'
    if count
    else f'the {splits.TEST} split has none of them, so nothing is judged by them'
  )
  return f'{", ".join(unknown)}: left out of training and validation; {judged}'


def _check_learnable(found: manifest.DatasetManifest, path: str) -> None:
  if not found.is_labelled:
    raise errors.DatasetError(
      f'The clips in {path!r} have no labels, so nothing can be learned from them. Name a data set '
      'with labels, or let a trained model say what these are: '
      f'python -m trainer.predict --run_dir=RUN --data={path}'
    )
  if splits.TRAIN not in found.split_names():
    raise errors.DatasetError(
      f'The train split of {path!r} is empty: the data set holds '
      f'{", ".join(found.split_names()) or "no records at all"}. Run the data job again with more '
      'speakers, or with a smaller share of them for validation and test.'
    )
  learned = found.num_labels - len(unlearned_labels(found))
  if learned < 2:
    raise errors.DatasetError(
      f'The train split of {path!r} holds clips of {learned} label: there is nothing to tell '
      'apart. Run the data job on a corpus with at least two labels.'
    )
