"""A prepared data set of TensorFlow Datasets (TFDS): its records are read where they lie.

--input is TFDS's data_dir, and the data set stands in `NAME[/CONFIG]/VERSION` below it; without a
name --input is the folder of one version itself. TensorFlow is not needed. The listing steps
through every record of the data set for its label and its speaker; of the audio it notes the
place, and workers read it there.

The official splits are kept. The id of a clip is that of TFDS (tfds_id): the record's file and its
number in it, as in speech_commands-train.tfrecord-00003-of-00128__17.
"""

import dataclasses
from collections.abc import Iterator

from beam_jobs.sources import corpus as corpus_lib
from beam_jobs.sources import source, speaker_pattern
from beam_jobs.sources.tfds_records import choice, clip_uri, feature_list, prepared, skim
from schemas import errors, rejects, utterance

_EXAMPLE = '_([a-z]+)_'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tfds:
  r"""Which data set, and what its features mean.

  Attributes:
    name: The data set, such as speech_commands: a folder of --input. Empty: --input is the folder
      of one version of a data set.
    config: Its builder config; empty for the only one.
    version: Such as 0.0.3; empty for the newest that is prepared.
    label: Feature that is to be learned: a class label, a text or a whole number. Features inside
      of others are written with `/`, as in instrument/family.
    speaker: Feature that says who speaks; empty for speaker_id, speaker or client_id, if there is
      one; `-` for none. Without one every clip counts as a speaker of its own: then a person may
      be in two splits, and the accuracy looks better than it is.
    speaker_pattern: Regular expression that is searched for in the feature `speaker`; its group
      named `speaker`, or its first group, is the speaker. `_([a-z]+)_` finds jackson in
      0_jackson_3.wav. A comma in it is written `\,`.
    audio: Feature with the audio; empty for the only one, or for audio or speech.
    splits: Names of the data set's splits that are read, such as train+test; empty for all. Those
      named train, validation (valid, val, dev) or test, or so with something behind it
      (test_clean), are kept as official splits, unless there is only one; clips of others that are
      named here are split by speaker.
    rate_hz: Samples per second where the data set does not say.
    bits: Bits of full scale of whole-number samples; 0 for those of their type, and for 16 where
      that is int64, in which TFDS keeps 16-bit files by default.
  """

  name: str = ''
  config: str = ''
  version: str = ''
  label: str = 'label'
  speaker: str = ''
  speaker_pattern: str = ''
  audio: str = ''
  splits: str = ''
  rate_hz: int = 0
  bits: int = 0

  def __post_init__(self) -> None:
    if self.bits not in (0, *range(2, 33)) or self.rate_hz < 0:
      raise errors.ConfigError(
        'bits must be 0 or in [2, 32] and rate_hz not negative, got '
        f'bits={self.bits}, rate_hz={self.rate_hz}.'
      )
    if not self.name and (self.config or self.version):
      raise errors.ConfigError('config and version are of a data set: give its name as well.')
    if self.speaker_pattern:
      speaker_pattern.check(self.speaker_pattern, _EXAMPLE)


def list_utterances(corpus: corpus_lib.Corpus, settings: Tfds) -> Iterator[source.Entry]:
  """Yields one Utterance per record, split by split, in the order of the records.

  Records without a label, or with an empty one, are counted in one LeftOut.

  Args:
    corpus: TFDS's data_dir.
    settings: Which data set, and what its features mean.

  Raises:
    SourceError: if it is not prepared there, lacks a feature, stores audio in a way that is not
      read, or has no record with a label.
  """
  data_set = prepared.find(
    corpus, name=settings.name, config=settings.config, version=settings.version
  )
  reader = _RecordReader(data_set, settings)
  num_clips = num_rejected = num_unlabelled = 0
  for split, official in choice.splits(data_set, settings.splits).items():
    for shard in data_set.shards[split]:
      for entry in reader.entries(shard, official):
        num_clips += isinstance(entry, utterance.Utterance)
        num_rejected += isinstance(entry, rejects.Reject)
        num_unlabelled += entry is None
        if entry is not None:
          yield entry
  if not num_clips:
    raise errors.SourceError(
      f'There is no clip in the data set {data_set.title}: '
      f'{errors.counted(num_unlabelled, "record", "has", "have")} no label '
      f'in {settings.label!r}, {num_rejected} no speaker. Name others with tfds:label=NAME '
      'or tfds:speaker=NAME, or other splits with tfds:splits=NAME+NAME.'
    )
  if num_unlabelled:
    yield rejects.LeftOut(reason='no_label', count=num_unlabelled)


class _RecordReader:
  """Turns the records of one data set into utterances."""

  def __init__(self, data_set: prepared.Prepared, settings: Tfds) -> None:
    # Imported here: a program that lists its sources needs no protobuf.
    from tfrecords.wire import example_proto  # noqa: PLC0415

    self._feature = example_proto.Feature
    self._data_set = data_set
    self._audio = choice.stored_audio(
      data_set, settings.audio, rate_hz=settings.rate_hz, bits=settings.bits
    )
    self._label = choice.value_feature(data_set, settings.label, 'label').name
    self._speaker = choice.speaker_feature(data_set, settings.speaker)
    self._pattern = settings.speaker_pattern
    if settings.speaker_pattern and not self._speaker:
      raise errors.SourceError(
        f'tfds:speaker_pattern={settings.speaker_pattern} is to be searched for in a feature of '
        f'the data set {data_set.title}: name it with tfds:speaker=NAME. {choice.listed(data_set)}'
      )
    self._values = {
      feature.name: feature for feature in data_set.features.values() if feature.is_value
    }
    self._classes = {
      feature.name: data_set.class_names(feature)
      for feature in self._values.values()
      if feature.kind == feature_list.CLASS_LABEL
    }

  def entries(self, shard: prepared.Shard, split: str) -> Iterator[source.Entry | None]:
    """Yields the utterances of one record file; None for a record without a label."""
    path = self._data_set.folder.uri(shard.name)
    number = 0
    try:
      with self._data_set.open(shard) as stream:
        for number, skimmed in enumerate(skim.skim(stream, self._values, where=path), 1):
          yield self._entry(shard.name, number - 1, skimmed, split)
    except (errors.RecordError, OSError) as error:
      raise errors.SourceError(f'Could not read {path} to its end: {error}') from error
    if shard.num_records not in (None, number):
      raise errors.SourceError(
        f'{path} should hold '
        f'{errors.counted(shard.num_records or 0, "record")}'
        f', got {number}. Copy the file again, or '
        'prepare the data set again.'
      )

  def _entry(self, name: str, index: int, skimmed: skim.Skimmed, split: str) -> source.Entry | None:
    values = {key: self._text(key, skimmed.features.get(key, b'')) for key in sorted(self._values)}
    label = values.pop(self._label)
    if not label:
      return None
    clip_id, origin = f'{name}__{index}', f'{name}, record {index}'
    uri = clip_uri.uri(
      clip_uri.Place(
        path=self._data_set.folder.uri(name),
        offset_bytes=skimmed.offset_bytes,
        length_bytes=skimmed.length_bytes,
        audio=self._audio,
      )
    )
    speaker = clip_id
    if self._speaker:
      said = values.pop(self._speaker, label)
      speaker = speaker_pattern.found(said, self._pattern) if self._pattern else said
      if not speaker:
        detail = f'Wanted a speaker in the feature {self._speaker!r}, got {said!r}.'
        return rejects.ClipError('no_speaker', detail).reject(clip_id, uri, origin)
    return utterance.Utterance(
      utterance_id=clip_id,
      speaker_id=speaker,
      label=label,
      uri=uri,
      split=split,
      fields=tuple(values.items()),
      origin=origin,
    )

  def _text(self, key: str, data: bytes) -> str:
    """Returns the value of a serialized feature as text; '' where there is none."""
    feature = self._feature.FromString(data)
    if feature.bytes_list.value:
      return str(feature.bytes_list.value[0].decode('utf-8', 'backslashreplace')).strip()
    if not feature.int64_list.value:
      return ''
    number = int(feature.int64_list.value[0])
    names = self._classes.get(key)
    if names is None:
      return str(number)
    # TFDS writes -1 where the class is not known.
    return names[number] if 0 <= number < len(names) else ''


SOURCE = source.Source(
  settings=Tfds,
  list_utterances=list_utterances,
  is_streamed=True,
  in_record_files=True,
  default_input='~/tensorflow_datasets',
)
