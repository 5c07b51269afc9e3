"""The kinds of corpora that the data job reads: one file and one line of this table each."""

from collections.abc import Mapping
from typing import Any

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
from schemas import errors, options
from tfrecords import paths

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

SETTINGS: Mapping[str, type] = {name: member.settings for name, member in SOURCES.items()}


def parse(text: str) -> tuple[str, Any]:
  """Returns the name and the settings of `text`, such as `folders:label_level=1`.

  Raises:
    ConfigError: for an unknown name or key, or a value that the settings refuse.
  """
  return options.parse(text, SETTINGS, family='source')


def input_of(name: str, given: str) -> str:
  """Returns where the corpus of a source is; ConfigError if that must be given and is not."""
  source = SOURCES[name]
  if not (given or source.default_input):
    wanted = 'FILE, the table' if source.takes_file else 'FOLDER, the folder'
    raise errors.ConfigError(
      f'--source={name} needs --input={wanted} of the corpus; none was given.'
    )
  return paths.folder(given or source.default_input)
