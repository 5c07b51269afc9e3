"""The endings of the names of files that are read, and folders that are nobody's."""

from collections.abc import Mapping

from schemas import medium as media

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

# What FFmpeg reads beside that, likewise: see features.decoding.ffmpeg.
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
  media.AUDIO: AUDIO_SUFFIXES,
  media.PICTURES: PICTURE_SUFFIXES,
}

# Left by macOS's zip and at the root of Linux disks: never a part of a corpus.
NOT_OURS = ('__MACOSX', 'lost+found')
