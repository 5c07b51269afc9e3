"""What the files of a corpus are and how they are called, and what usually lies beside them."""

import posixpath
from collections.abc import Mapping

AUDIO = 'audio'
PICTURES = 'pictures'
MEDIA = (AUDIO, PICTURES)


def example(examples: str) -> str:
  """Returns what one example is called: `clip`, or `picture`.

  Args:
    examples: What several are called, or one of MEDIA.
  """
  return 'picture' if examples == PICTURES else 'clip'


def speaker(examples: str) -> str:
  """Returns what a speaker is called: pictures have nobody who speaks, but groups."""
  return 'group' if examples == PICTURES else 'speaker'


def voice(examples: str) -> str:
  """Returns what a voice is called, likewise."""
  return 'group' if examples == PICTURES else 'voice'


# What libsndfile reads, by the names that such files go by.
_SNDFILE_SUFFIXES = (
  '.wav',
  '.wave',
  '.flac',
  '.ogg',
  '.oga',
  '.opus',
  '.mp3',
  '.aif',
  '.aiff',
  '.aifc',
  '.au',
  '.snd',
  '.caf',
  '.w64',
  '.rf64',
  '.sph',
  '.mp2',
  '.mpga',
)

# What FFmpeg reads beside that, likewise: features.decoding.ffmpeg does it.
FFMPEG_SUFFIXES = (
  '.m4a',
  '.m4b',
  '.mp4',
  '.mov',
  '.3gp',
  '.3g2',
  '.aac',
  '.adts',
  '.alac',
  '.webm',
  '.weba',
  '.mka',
  '.mkv',
  '.wma',
  '.asf',
  '.amr',
  '.awb',
  '.wv',
  '.ape',
  '.spx',
  '.ac3',
  '.eac3',
  '.ec3',
  '.dts',
  '.tta',
  '.tak',
  '.mpc',
  '.dsf',
  '.avi',
  '.flv',
  '.ra',
  '.rm',
)

AUDIO_SUFFIXES = (*_SNDFILE_SUFFIXES, *FFMPEG_SUFFIXES)

# What Pillow reads, likewise.
PICTURE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.gif', '.webp')

SUFFIXES: Mapping[str, tuple[str, ...]] = {
  AUDIO: AUDIO_SUFFIXES,
  PICTURES: PICTURE_SUFFIXES,
}

# Left by macOS's zip and at the root of Linux disks: never a part of a corpus.
NOT_OURS = ('__MACOSX', 'lost+found')


def is_visible(name: str) -> bool:
  """Whether a file or folder of this name may be a part of a corpus."""
  return not name.startswith('.') and name not in NOT_OURS


# Endings of what usually lies beside recordings and is none: lists, texts, transcripts, programs.
USUAL_ENDINGS = frozenset(
  '.bib .cfg .csv .ctm .doc .docx .eaf .html .htm .ini .ipynb .json .jsonl .lab .log .lst .md .md5 '
  '.mlf .ndjson .ods .pdf .phn .py .rst .rtf .scp .sh .sha1 .sha256 .srt .stm .tab .tex .textgrid '
  '.toml .trn .trs .tsv .txt .vtt .wrd .xls .xlsx .xml .yaml .yml'.split()
)
# The same of files whose names have no ending.
USUAL_NAMES = frozenset(
  'authors changelog changes citation contributing copying copyright licence license makefile '
  'manifest md5sum md5sums news notice readme sha1sums sha256sums spk2gender spk2utt text todo '
  'utt2spk version'.split()
)
NO_ENDING = 'no ending'
_LONGEST_ENDING = 12


def ending_of(name: str) -> str:
  """Returns what a file is counted by; '' for what usually lies beside recordings."""
  ending = posixpath.splitext(name)[1].lower()
  if ending in USUAL_ENDINGS:
    return ''
  if not ending or ' ' in ending or len(ending) > _LONGEST_ENDING:
    return '' if name.lower() in USUAL_NAMES else NO_ENDING
  return '' if name.lower().startswith(('readme.', 'license.')) else ending
