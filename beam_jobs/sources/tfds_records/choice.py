"""Which features and splits of a TFDS data set are meant."""

import re

from beam_jobs.sources.tfds_records import clip_uri, feature_list, prepared
from schemas import errors, options
from schemas import splits as split_names

_SPEAKERS = ('speaker_id', 'speaker', 'client_id')
_AUDIO = ('audio', 'speech')
# Bits of whole numbers where nobody says. TFDS keeps 16-bit files as int64 by default.
_BITS = {'uint8': 8, 'int8': 8, 'int16': 16, 'int32': 32, 'int64': 16}
_FLOATS = ('float16', 'float32', 'float64')


def stored_audio(
  data_set: prepared.Prepared, name: str, *, rate_hz: int, bits: int
) -> clip_uri.StoredAudio:
  """Returns how the audio is stored.

  Args:
    data_set: Where to look.
    name: The feature with the audio; '' for the only one, or the one with a usual name.
    rate_hz: Samples per second where the data set does not say; 0 for unknown.
    bits: Full scale of whole numbers; 0 for that of their type.

  Raises:
    SourceError: if there is no such feature or its form is none that is read.
  """
  feature = _audio_feature(data_set, name)
  where = f'The feature {feature.name!r} of the data set {data_set.title}'
  if feature.is_file:
    return clip_uri.StoredAudio(key=feature.name, encoding=clip_uri.FILE)
  if feature.encoding not in clip_uri.ENCODINGS or len(feature.shape) not in (1, 2):
    raise errors.SourceError(
      f'{where} has the encoding {feature.encoding!r} and the shape {feature.shape}. Read are '
      'samples of the shape [length] or [length, channels] and whole files. Name another feature '
      'with tfds:audio=NAME.'
    )
  channels = feature.shape[1] if len(feature.shape) == 2 else 1
  if not channels or feature.dtype not in (*_BITS, *_FLOATS):
    raise errors.SourceError(
      f'{where} holds {feature.dtype} of the shape {feature.shape}. Read are samples of a fixed '
      f'number of channels, of type {", ".join((*_BITS, *_FLOATS))}. Name another feature with '
      'tfds:audio=NAME.'
    )
  rate_hz = feature.rate_hz or rate_hz
  if not rate_hz:
    raise errors.SourceError(
      f'{where} does not say its sample rate. Give it, such as tfds:rate_hz=16000.'
    )
  return clip_uri.StoredAudio(
    key=feature.name,
    encoding=feature.encoding,
    dtype=feature.dtype,
    bits=0 if feature.dtype in _FLOATS else bits or _BITS[feature.dtype],
    channels=channels,
    rate_hz=rate_hz,
  )


def _audio_feature(data_set: prepared.Prepared, name: str) -> feature_list.Feature:
  features = data_set.features
  if name:
    feature = _feature(data_set, name, 'audio')
    if feature.kind in (feature_list.AUDIO, feature_list.TENSOR):
      return feature
    raise errors.SourceError(
      f'The feature {name!r} of the data set {data_set.title} is of the kind {feature.kind}, and '
      f'Audio or Tensor was wanted. {listed(data_set)}'
    )
  found = [key for key, feature in features.items() if feature.kind == feature_list.AUDIO]
  usual = [key for key in _AUDIO if key in found]
  if len(found) == 1 or usual:
    return features[found[0] if len(found) == 1 else usual[0]]
  raise errors.SourceError(
    f'The data set {data_set.title} has {len(found) or "no"} features of the kind Audio. Name one '
    f'with tfds:audio=NAME. {listed(data_set)}'
  )


def speaker_feature(data_set: prepared.Prepared, name: str) -> str:
  """Returns the feature that says who speaks; '' for none."""
  if not name:
    values = (key for key in _SPEAKERS if key in data_set.features)
    return next((key for key in values if data_set.features[key].is_value), '')
  return '' if name == '-' else value_feature(data_set, name, 'speaker').name


def value_feature(data_set: prepared.Prepared, name: str, role: str) -> feature_list.Feature:
  """Returns a feature that has one value a record: a class label, a text or a whole number.

  Raises:
    SourceError: if there is none of this name, or it is of another kind.
  """
  feature = _feature(data_set, name, role)
  if not feature.is_value:
    kind = f'{feature.kind} ({feature.dtype})' if feature.dtype else feature.kind
    raise errors.SourceError(
      f'The feature {name!r} of the data set {data_set.title} is of the kind {kind}, and a '
      f'class label, a text or a whole number was wanted for the {role}. {listed(data_set)}'
    )
  return feature


def _feature(data_set: prepared.Prepared, name: str, role: str) -> feature_list.Feature:
  if name in data_set.features:
    return data_set.features[name]
  is_audio = role == 'audio'
  fitting = [
    key
    for key, feature in data_set.features.items()
    if (feature.kind == feature_list.AUDIO if is_audio else feature.is_value)
  ]
  raise errors.SourceError(
    f'The data set {data_set.title} has no feature {name!r}.'
    f'{options.did_you_mean(name, fitting)} {listed(data_set)} Name the {role} with '
    f'tfds:{role}=NAME.'
  )


def listed(data_set: prepared.Prepared) -> str:
  """Returns a sentence with the features that there are."""
  kinds = (f'{name} ({feature.kind})' for name, feature in data_set.features.items())
  return f'It has: {", ".join(kinds)}.'


def splits(data_set: prepared.Prepared, wanted: str) -> dict[str, str]:
  """Returns the splits that are read and the official split of each, '' for none."""
  names = [name.strip() for name in wanted.split('+')] if wanted else list(data_set.shards)
  known = ', '.join(data_set.shards) or 'none'
  for name in names:
    if name not in data_set.shards:
      raise errors.SourceError(
        f'The data set {data_set.title} has no split {name!r}.'
        f'{options.did_you_mean(name, data_set.shards)} It has: {known}.'
      )
  official = {name: _official(name) for name in names}
  unknown = [name for name, split in official.items() if not split]
  if unknown and not wanted:
    raise errors.SourceError(
      f'The data set {data_set.title} has the splits {known}, and {unknown[0]!r} is none of '
      'train, validation and test. Name those to be read, such as '
      f'tfds:splits={"+".join(data_set.shards)}; clips of others than these three are then split '
      'by speaker.'
    )
  if len(set(official.values())) == 1:
    # A data set of one split leaves it to its user to divide it.
    return dict.fromkeys(names, '')
  return official


def _official(name: str) -> str:
  word = re.split(r'[^a-z]', name.lower(), maxsplit=1)[0]
  return split_names.SPLIT_OF.get(word, '')
