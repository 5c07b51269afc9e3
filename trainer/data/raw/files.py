"""Raw audio files as a data set, without a data job: a manifest that is made up in memory.

  python -m trainer --data=table:/data/clips.csv
  python -m trainer --data=folders:/data/birds

Every file is one clip. Its header is read at the start: so a wrong rate or coding is said before
anything is trained. The samples are decoded in the graph (batches.py).
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import hashlib
import importlib.util
import os
from collections.abc import Mapping, Sequence

import features
from schemas import audio as audio_lib
from schemas import errors, manifest, naming, splits, utterance, version
from trainer.data import computed_feature
from trainer.data.raw import table

CLIP_S = 1.0
COMPUTE = features.DEFAULT  # What a model computes where the user names nothing.
_SEED = 0  # Of the hash of speakers: that of the data job.

WAV16, FLAC16, FLAC24, OGG, MP3 = range(5)
# As libsndfile names container and coding -> how it is decoded. Not WAV of 24 bits: tensorflow-io
# 0.37.1 finds no end in mono files with an odd number of samples.
_CODECS = {
  ('WAV', 'PCM_16'): WAV16,
  ('FLAC', 'PCM_16'): FLAC16,
  ('FLAC', 'PCM_24'): FLAC24,
  ('OGG', 'VORBIS'): OGG,
  ('MP3', 'MPEG_LAYER_III'): MP3,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class File(table.Clip):
  """A clip, and what the header of its file says.

  Attributes:
    codec: How it is decoded.
    sample_rate_hz: Samples per second.
    num_samples: Its length.
  """

  codec: int
  sample_rate_hz: int
  num_samples: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class RawFiles:
  """Raw files and what stands for their manifest.

  Attributes:
    manifest: As if the data job had stored their waveforms.
    digest: SHA-256 of the manifest's text.
    splits: The files, by split, in their order.
  """

  manifest: manifest.DatasetManifest
  digest: str
  splits: Mapping[str, Sequence[File]]

  @property
  def files(self) -> list[File]:
    """All of them, split by split."""
    return [file for mine in self.splits.values() for file in mine]


def is_raw(data: str) -> bool:
  """Whether --data names raw files."""
  return data.startswith((f'{table.TABLE}:', f'{table.FOLDERS}:'))


def absolute(data: str) -> str:
  """Returns --data so that it means the same in another folder; also of a data set's folder."""
  kind, colon, path = data.partition(':') if is_raw(data) else ('', '', data)
  return data if '://' in path else f'{kind}{colon}{os.path.abspath(path)}'


def load(data: str, *, sample_rate_hz: int = 0, clip_s: float = CLIP_S) -> RawFiles:
  """Returns the raw files of `table:FILE` or `folders:FOLDER`.

  Args:
    data: As --data says it.
    sample_rate_hz: What all files must have; 0: what the first has.
    clip_s: Longer files are cut at their end, shorter ones padded.

  Raises:
    DatasetError: if a file is missing, damaged, of another rate, or of a coding that is not decoded
      here.
  """
  path = data.partition(':')[2]
  changed_ns = os.stat(path).st_mtime_ns if os.path.exists(path) else 0
  files = _listed(data, changed_ns)
  audio = audio_lib.AudioSpec(
    sample_rate_hz=sample_rate_hz or files[0].sample_rate_hz, clip_s=clip_s
  )
  _check_rates(files, audio.sample_rate_hz)
  kind = data.partition(':')[0]
  said = table.passed_by(path, files) if kind == table.FOLDERS else []
  return _of_splits(kind, _split_up(files), audio=audio, said=said)


def divided(raw: RawFiles, is_in: Mapping[str, Sequence[bool]]) -> RawFiles:
  """Returns the same files, or some of them, split in another way.

  Args:
    raw: The files.
    is_in: For each split which of `raw.files` are in it.
  """
  made = {
    split: [file for file, is_mine in zip(raw.files, mask, strict=True) if is_mine]
    for split, mask in is_in.items()
  }
  made = {split: files for split, files in made.items() if files}
  assert raw.manifest.audio is not None  # Raw files are audio.
  return _of_splits(raw.manifest.name, made, audio=raw.manifest.audio, said=())


def _of_splits(
  kind: str,
  made: Mapping[str, Sequence[File]],
  *,
  audio: audio_lib.AudioSpec,
  said: Sequence[str],
) -> RawFiles:
  files = [file for mine in made.values() for file in mine]
  found = _manifest(kind, files, made, audio=audio, said=said)
  digest = hashlib.sha256(found.to_text().encode('utf-8', 'surrogateescape')).hexdigest()
  return RawFiles(manifest=found, digest=digest, splits=made)


# Kept, as a run asks for the same several times.
@functools.lru_cache(maxsize=4)
def _listed(data: str, changed_ns: int) -> tuple[File, ...]:
  """Returns the files, in the order of the table."""
  del changed_ns  # Only tells a table from one that was edited since.
  kind, _, path = data.partition(':')
  clips = table.read_table(path) if kind == table.TABLE else table.read_folders(path)
  if not clips:
    raise errors.DatasetError(f'The table {path!r} has no rows: there is nothing to learn from.')
  _check_ids(clips)
  return tuple(_with_header(clip, table.by_data_job(kind, path)) for clip in clips)


def _check_ids(clips: Sequence[table.Clip]) -> None:
  first: dict[str, str] = {}
  for clip in clips:
    if clip.clip_id in first:
      raise errors.DatasetError(
        f'{clip.origin}: {clip.clip_id!r} stands in {first[clip.clip_id]} already. Remove one of '
        'the rows.'
      )
    first[clip.clip_id] = clip.origin


def _with_header(clip: table.Clip, by_data_job: str) -> File:
  """Returns the clip with what the header of its file says.

  Args:
    clip: The file.
    by_data_job: Says how the data job reads all of them.

  Raises:
    DatasetError: if it cannot be read, or nothing here decodes the file in the graph.
  """
  # Here, so that --help does not wait for it.
  from features.decoding import byte_ranges, clips, deadline, opening

  try:
    with clips.opened_file(clip.path) as stream:
      # As the data job opens it: what it would refuse is not learned from in part.
      source = opening.open_recording(
        byte_ranges.ByteRanges(stream), deadline.Deadline(deadline.DEFAULT_S)
      )
      try:
        container, _, subtype = source.coding.partition(', ')
        rate_hz, num_frames = source.sample_rate_hz, source.count()
      finally:
        source.close()
  except clips.ClipError as error:
    if error.reason in ('no_samples', 'empty'):
      raise _no_samples(clip) from error
    why = 'there is no such file' if error.reason == 'missing' else error.detail.rstrip('.')
    raise errors.DatasetError(
      f'{clip.origin}: {clip.path!r} cannot be read as audio: {why}. Without a data job, which '
      'leaves bad files out and lists them, every file must be good.'
    ) from error
  if not num_frames:
    raise _no_samples(clip)
  codec = _CODECS.get((container, subtype))
  if codec is None:
    raise errors.DatasetError(
      f'{clip.origin}: {clip.path!r} is {container} {subtype}. In the graph WAV of 16 bits, '
      f'FLAC of 16 and 24, OGG Vorbis and MP3 are decoded. {by_data_job}'
    )
  if codec != WAV16 and not has_decoders():
    raise errors.DatasetError(
      f'{clip.origin}: {clip.path!r} is {container} {subtype}. Here only WAV of 16 bits is '
      'decoded in the graph; others are by tensorflow-io, which runs on TensorFlow 2.17: use the '
      f'environment of requirements/tfio.txt. {by_data_job}'
    )
  return File(**vars(clip), codec=codec, sample_rate_hz=rate_hz, num_samples=num_frames)


def _no_samples(clip: table.Clip) -> errors.DatasetError:
  return errors.DatasetError(
    f'{clip.origin}: {clip.path!r} holds no samples: it is empty or was cut off. Remove it, or let '
    'the data job read the files: it leaves bad ones out.'
  )


def has_decoders() -> bool:
  """Whether tensorflow-io is installed."""
  return importlib.util.find_spec('tensorflow_io') is not None


def _check_rates(files: Sequence[File], sample_rate_hz: int) -> None:
  for file in files:
    if file.sample_rate_hz != sample_rate_hz:
      raise errors.DatasetError(
        f'{file.origin}: {file.path!r} has {file.sample_rate_hz} samples a second, wanted '
        f'{sample_rate_hz}. Without a data job nothing is resampled: name another '
        '--sample_rate_hz, or let the data job read the files.'
      )


def _split_up(files: Sequence[File]) -> dict[str, list[File]]:
  """Returns the files by split: as the table lists their speakers, else by the speakers' hash."""
  listed: dict[str, set[str]] = collections.defaultdict(set)
  for file in files:
    listed[file.speaker].add(file.split)
  split_of = {speaker: splits.official(listed[speaker]) for speaker in sorted(listed)}
  hashed = [speaker for speaker, split in split_of.items() if not split]
  given = {speaker: split for speaker, split in split_of.items() if split}
  noises = set(filter(utterance.is_noise, split_of))
  split_of |= splits.hashed_apart(hashed, given, splits.SplitFractions(), _SEED, noises=noises)
  made = {
    split: [file for file in files if split_of[file.speaker] == split] for split in splits.SPLITS
  }
  return {split: mine for split, mine in made.items() if mine}


def _manifest(
  kind: str,
  files: Sequence[File],
  made: Mapping[str, Sequence[File]],
  *,
  audio: audio_lib.AudioSpec,
  said: Sequence[str],
) -> manifest.DatasetManifest:
  """Returns what the data job would have written, with a made-up shard for each split."""
  labels = tuple(sorted({file.label for file in files}))
  # float32, so that prediction rounds no more than training does.
  waveform = features.spec(*features.parse(f'{computed_feature.WAVEFORM}:dtype=float32'), audio)
  warnings = list(said)
  speakers = {split: [file.speaker for file in mine] for split, mine in made.items()}
  is_known = any(file.speaker != file.clip_id for file in files)
  if not is_known:
    warnings.append(
      'Nothing tells who speaks, so every file counts as a speaker of its own: a person may be in '
      'two splits, and the accuracy look better than it is.'
    )
  if alike := utterance.alike(labels):
    warnings.append(alike)
  shards = tuple(
    _shard(kind, split, mine, labels=labels, audio=audio) for split, mine in made.items()
  )
  return manifest.DatasetManifest(
    name=kind,
    audio=audio,
    features=(waveform,),
    labels=labels,
    shards=shards,
    statistics={},
    num_speakers={split: len(set(names)) for split, names in speakers.items()},
    speakers={
      split: manifest.named_speakers(set(names)) for split, names in speakers.items() if is_known
    },
    rejects={},
    config={'raw_files': kind, 'split_by': 'speaker'},
    versions={'voxshard': version.VERSION},
    warnings=tuple(warnings),
  )


def _shard(
  kind: str,
  split: str,
  files: Sequence[File],
  *,
  labels: Sequence[str],
  audio: audio_lib.AudioSpec,
) -> manifest.ShardInfo:
  lengths = [file.num_samples for file in files]
  digest = hashlib.sha256()
  for file in files:
    digest.update(repr((file.clip_id, file.label, file.speaker, file.num_samples)).encode())
  counts = collections.Counter(file.label for file in files)
  kept = [min(samples, audio.clip_samples) for samples in lengths]
  return manifest.ShardInfo(
    file_name=str(naming.ShardName(dataset_name=kind, split=split, index=0, num_shards=1)),
    num_records=len(lengths),
    num_bytes=4 * audio.clip_samples * len(lengths),
    sha256=digest.hexdigest(),
    num_speakers=len({file.speaker for file in files}),
    label_counts=tuple(counts[label] for label in labels),
    audio_s=sum(kept) / audio.sample_rate_hz,
    source_s=sum(lengths) / audio.sample_rate_hz,
    shortest_samples=min(kept),
    longest_samples=max(kept),
  )
