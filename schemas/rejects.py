"""What is said of clips: why one can be left out of a data set, and what is noted of others."""

import collections
import dataclasses
from collections.abc import Iterable
from typing import Any

from schemas import errors, json_form

# Reason -> advice. The reasons are keys of the manifest's reject counts and of reports.
ADVICE = {
  'missing': 'The file is not there (any more); a link may point to nothing. Restore it.',
  'not_a_file': 'This is a folder or a device with the name of an audio file. Rename it.',
  'no_permission': 'The job may not read the file. Give its user the right to read it.',
  'changed': 'Something wrote to the file while it was read. Run again when it is done.',
  'unreadable': 'The file system failed to deliver the file. Try again, then check the disk.',
  'empty': 'The file has zero bytes. Copy it again from where it came.',
  'not_audio': 'No decoder knows a format in this file. Convert it to WAV or FLAC.',
  'no_decoder': "FFmpeg reads this: pip install 'voxshard[media]', or convert to WAV or FLAC.",
  'no_sound': 'The file has no stream of audio. Leave it out.',
  'in_part': "Some would be left out: pip install 'voxshard[media]', or convert to WAV or FLAC.",
  'truncated': 'The file ends, or is damaged, before what its header promises. Copy it again.',
  'wrong_size': 'More audio than the header says. Try ffmpeg -ignore_length 1 -i FILE NEW.wav.',
  'too_slow': 'Decoding took longer than --max_decode_s. Raise it, or convert the file to WAV.',
  'no_samples': 'The header is whole, but there is no audio behind it. Record it again.',
  'too_short': 'The clip is shorter than --min_clip_seconds. Lower it or leave the clip out.',
  'bad_rate': 'The sample rate makes no sense. Repair the header.',
  'not_finite': 'Samples are NaN or infinite. Repair the program that wrote the file.',
  'not_in_one': 'Samples are far beyond 1. Say what is full scale, as --full_scale=32768.',
  'no_channel': 'The file has no such channel. Take --channel=mix, or one that all files have.',
  'bad_samples': 'Samples are larger than the data set says. Give their bits, as tfds:bits=32.',
  'no_label': 'The corpus gives no label for the clip. Add one or leave the clip out.',
  'no_speaker': 'The corpus gives no speaker for the clip. Add one or leave the clip out.',
  'bad_name': 'The file name does not fit the pattern of the source. Rename it.',
  'too_long': 'The recording is longer than --max_clip_seconds. Raise it, or cut by a table.',
  'bad_excerpt': 'The part lies behind the end of its recording, or most of it. Correct the table.',
  'bad_uri': 'Nothing here reads such an address. Copy the file to a disk or a bucket.',
  'bad_row': 'The row of the table cannot be read. Correct it.',
  'duplicate': 'The same clip stands twice in the table. Remove one of the rows.',
  'outside': "The path leads out of the table's folder. Move the file, or say table:root=FOLDER.",
  'not_a_picture': 'Pillow knows no format in this file. Convert it to PNG or JPEG.',
  'too_large': 'The picture has too many pixels to be unpacked safely. Make it smaller.',
}

# Why a good clip is not in the data set. Neither a fault nor listed one by one: only counted.
LEFT_OUT = {
  'no_label': 'The corpus leaves the label open.',
  'not_wanted': 'Neither among the wanted words nor picked for the label `unknown`.',
  'not_sampled': 'The speaker is not in the sample of --sample.',
  'over_speaker_limit': 'The speaker has more clips than --max_per_speaker.',
  'over_label_limit': 'The label has more clips than --max_per_label.',
  'same_audio': 'A clip before it has the same samples or pixels, with --duplicates=drop.',
  'other_label': 'A clip of another label has the same samples or pixels, with --duplicates=drop: '
  'one of the two labels is wrong.',
  'marked_wrong': '--corrections leaves it out.',
  'undersampled': 'The label has more train clips than the rarest, with --balance=undersample.',
}

# What is told of clips that are in the data set, and of what the listing passed by: nothing of it
# is an error, and all of it is counted and named.
NOTED = {
  # Paths in a table that are not those of the files.
  'backslashes': r'Paths of the table were read with `/` in the place of `\`.',
  'other_form': 'The names of the files are written in another normal form (NFC, NFD).',
  # Clips.
  'silent': 'Every sample is the same. Record it again, or leave the clip out.',
  'padded_excerpt': 'The recording ends before the part does. Correct start and duration.',
  'clipped': 'Tops are cut off at full scale. Record it again at a lower level.',
  'beyond_one': 'Samples lie beyond 1, where int16 features cut them off. See --effect=peak.',
  'cancelled': 'Its channels cancel one another in the mix. Take one: --channel=loudest.',
  # Of how files are decoded.
  'no_decoder': "FFmpeg reads these and is not there: pip install 'voxshard[media]'.",
  # Of recordings of noise, and of copies that were to have noise.
  'noise_unusable': 'The recording of noise cannot be decoded and is left out. Repair it.',
  'noise_damaged': 'Drawn as noise of a copy, but damaged there: other noise was taken. Repair it.',
  'noise_silent': 'No recording of noise has any sound: the copy is as it would be without noise.',
  # Of files and folders that the listing went past, and of names that it changed.
  'not_read': 'Files that end so are not read. Convert clips (--all_files tries any for audio).',
  'no_clip_in': 'There is no clip in these folders: if one is a label, it has none.',
  'renamed': 'Spaces around the name were removed, or its letters composed (Unicode NFC).',
  # Of corrections.
  'relabelled': 'The label is that of --corrections.',
  'same_label': '--corrections gives the label that the clip has already.',
  'marked_wrong': 'Left out, as --corrections says.',
  'no_such_clip': '--corrections names it, and no clip of the corpus that can be used has this id.',
  # Of what a corpus says of its clips.
  'long_field': 'A field has more than 1,000 characters: records keep the first (see --fields).',
}

# So many of the clips or files that a note is about are named.
MOST_NAMES = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class LeftOut:
  """How many good clips are left out, and why.

  Attributes:
    reason: One of LEFT_OUT.
    count: Clips.
  """

  reason: str
  count: int

  def __post_init__(self) -> None:
    if self.reason not in LEFT_OUT:
      raise errors.SchemaError(f'No reason to leave a clip out is called {self.reason!r}.')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Noted(json_form.Fields):
  """How many clips, files or names something is to be said of, and which are the first.

  Attributes:
    reason: One of NOTED.
    what: Where a reason has kinds, which one, such as the ending of files; else ''.
    count: Clips, files or names.
    names: The first of them by code point, MOST_NAMES at most.
  """

  reason: str
  what: str = ''
  count: int = 1
  names: tuple[str, ...] = ()

  def __post_init__(self) -> None:
    if self.reason not in NOTED:
      raise errors.SchemaError(f'No note on clips is called {self.reason!r}.')

  def __str__(self) -> str:
    kind = f'{self.reason} {self.what}'.rstrip()
    # Many clips may have one name, such as that of a folder.
    dots = ', ...' if self.count > len(self.names) >= MOST_NAMES else ''
    names = f' ({", ".join(self.names)}{dots})' if self.names else ''
    return f'{self.count:,} {kind}: {NOTED[self.reason]}{names}'


def merged(notes: Iterable[Noted]) -> tuple[Noted, ...]:
  """Returns one note of every reason and kind, sorted: the same whatever the order of `notes`."""
  counts: collections.Counter[tuple[str, str]] = collections.Counter()
  names: dict[tuple[str, str], tuple[str, ...]] = {}
  for note in notes:
    key = note.reason, note.what
    counts[key] += note.count
    names[key] = tuple(sorted({*names.get(key, ()), *note.names})[:MOST_NAMES])
  return tuple(
    Noted(reason=reason, what=what, count=counts[reason, what], names=names[reason, what])
    for reason, what in sorted(counts)
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reject(json_form.Fields):
  """One clip that is left out.

  Attributes:
    utterance_id: Its id, or its path relative to the corpus where it has no id.
    uri: The file, as errors.shown has it.
    reason: One of ADVICE.
    detail: What was wanted and what was got, in one sentence, without the path.
  """

  utterance_id: str
  uri: str
  reason: str
  detail: str

  def __post_init__(self) -> None:
    if self.reason not in ADVICE:
      raise errors.SchemaError(f'No reject reason is called {self.reason!r}.')

  def to_json(self) -> dict[str, Any]:
    """Returns the object of one line of rejects.jsonl, with the advice."""
    return {**super().to_json(), 'advice': ADVICE[self.reason]}


class ClipError(errors.FeatureError):
  """A clip that has to be left out, in the words of rejects.jsonl.

  Attributes:
    reason: One of ADVICE.
    detail: What was wanted and what was got, in one sentence, without the path.
  """

  def __init__(self, reason: str, detail: str) -> None:
    if reason not in ADVICE:
      raise errors.SchemaError(f'No reject reason is called {reason!r}.')
    # Both go to the base class, so that the error survives pickling between processes.
    super().__init__(reason, detail)
    self.reason = reason
    self.detail = errors.without_secrets(detail)

  def __str__(self) -> str:
    return f'{self.detail} {ADVICE[self.reason]}'

  def reject(self, utterance_id: str, uri: str, origin: str = '') -> Reject:
    """Returns the reject of the clip; `origin` says where it is listed, if in a table."""
    detail = f'{origin}: {self.detail}' if origin else self.detail
    return Reject(
      utterance_id=errors.shown(utterance_id),
      uri=errors.shown(uri),
      reason=self.reason,
      detail=detail,
    )
