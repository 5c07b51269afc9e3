"""The kinds of corpora that the data job reads: one file and one line of this table each."""

from collections.abc import Mapping

from beam_jobs.sources import (
  common_voice,
  file_names,
  folders,
  images,
  speech_commands,
  synthetic,
  table,
  tfds,
  unlabelled,
)
from beam_jobs.sources.source import Source as Source

SOURCES: Mapping[str, Source] = {
  'common_voice': common_voice.SOURCE,
  'file_names': file_names.SOURCE,
  'folders': folders.SOURCE,
  'images': images.SOURCE,
  'speech_commands': speech_commands.SOURCE,
  'synthetic': synthetic.SOURCE,
  'table': table.SOURCE,
  'tfds': tfds.SOURCE,
  'unlabelled': unlabelled.SOURCE,
}
