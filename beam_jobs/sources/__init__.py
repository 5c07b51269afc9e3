"""The kinds of corpora that the data job reads: one file and one line of this table each."""

import dataclasses
from collections.abc import Collection, Mapping
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
from schemas import medium as media
from tfrecords import command_line, paths

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


def shown(name: str, settings: Any) -> str:
  """Returns a source as --source takes it, without the secrets of addresses in its settings."""
  return errors.without_secrets(options.format_option(name, settings))


def check_of_audio(name: str, typed: Any, of_audio: Collection[str]) -> None:
  """Raises ConfigError for what is said of audio, and has no effect where there are pictures.

  Args:
    name: Of the source.
    typed: The flags, a dataclass.
    of_audio: Names of those that are for audio alone.
  """
  if SOURCES[name].medium == media.AUDIO:
    return
  for field in dataclasses.fields(typed):
    if field.name in of_audio and getattr(typed, field.name) != field.default:
      raise errors.ConfigError(
        f'{command_line.written(typed, field)} is for audio, and has no effect with '
        f'--source={name}, which lists pictures. Leave it away.'
      )


def input_of(name: str, given: str) -> str:
  """Returns where the corpus of a source is; ConfigError if that must be given and is not."""
  source = SOURCES[name]
  if not (given or source.default_input):
    wanted = 'FILE, the table' if source.takes_file else 'FOLDER, the folder'
    raise errors.ConfigError(
      f'--source={name} needs --input={wanted} of the corpus; none was given.'
    )
  return paths.folder(given or source.default_input)
