"""What is said of clips that are cut to one length, or padded to it, and the lengths to choose."""

import decimal
from collections.abc import Iterator

from pages import words
from schemas import audio
from tfrecords.finishing import durations

# Shares of the clips for which a length is proposed that keeps them whole: the first that the
# chosen length does not keep.
_SHARES = (0.9, 0.99, 1.0)
# More padding than this share of what is stored is said. A word in a second of its own has a half.
_MUCH_PADDING = 0.65


def warnings(found: durations.Durations, spec: audio.AudioSpec) -> Iterator[str]:
  """Yields a sentence if clips were cut, and one if most of what is stored is padding."""
  if spec.is_variable or not found.num_clips:
    return
  if found.num_cut:
    verb = 'was' if found.num_cut == 1 else 'were'
    yield (
      f'{found.num_cut:,} of {words.counted(found.num_clips, "clip")} {verb} longer than '
      f'{spec.clip_s:g} s: {words.duration(found.kept_s)} of {words.duration(found.whole_s)} are '
      f'kept, of each the {spec.position}. {_ways(found, spec)}'
    )
  share = padding(found, spec)
  if share > _MUCH_PADDING:
    yield (
      f'{words.percent(share)} of what is stored is padding: clips have {spec.clip_s:g} s, and '
      f'of audio {found.kept_s / found.num_clips:.2g} s on average. '
      f'--clip_seconds={length(found, _SHARES[0])} keeps {_of_clips(_SHARES[0])}, --clip_seconds=0 '
      'leaves each as long as it is.'
    )


def padding(found: durations.Durations, spec: audio.AudioSpec) -> float:
  """Returns which share of what is stored is padding, of clips of one length."""
  return 1 - found.kept_s / (found.num_clips * spec.clip_s)


def length(found: durations.Durations, share: float) -> str:
  """Returns what to write after --clip_seconds= to keep so many of the clips whole, as `3.1`."""
  return _rounded_up(found.length_s(share))


def _ways(found: durations.Durations, spec: audio.AudioSpec) -> str:
  """Returns what keeps more."""
  shares = (share for share in _SHARES if found.length_s(share) > spec.clip_s)
  share = next(shares, _SHARES[-1])
  if found.length_s(share) == found.length_s(1.0):
    share = 1.0
  return (
    f'{keeping_all(found, spec)} keeps all of it, --clip_seconds={length(found, share)} keeps '
    f'{_of_clips(share)}.'
  )


def keeping_all(found: durations.Durations, spec: audio.AudioSpec) -> str:
  """Returns the flags that leave each clip as long as it is."""
  longest_s = found.length_s(1.0)
  limit = f' --max_clip_seconds={_rounded_up(longest_s)}' if longest_s > spec.max_clip_s else ''
  return f'--clip_seconds=0{limit}'


def _of_clips(share: float) -> str:
  return (
    'every clip whole' if share == 1.0 else f'{share:.0%} of the clips whole'.replace('%', ' %')
  )


def _rounded_up(seconds: float) -> str:
  """Returns a number of two digits that is not smaller, such as `3.1`."""
  exact = decimal.Decimal(repr(seconds))
  places = exact.adjusted() - 1 if exact else 0
  rounded = exact.quantize(decimal.Decimal((0, (1,), places)), rounding=decimal.ROUND_UP)
  return f'{rounded.normalize():f}'
