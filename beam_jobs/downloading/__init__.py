"""Corpora that are fetched from where their makers keep them, safely and whole.

To add one: a module here with a CORPUS, and a line in CORPORA.
"""

from collections.abc import Mapping
from typing import Any

from beam_jobs.downloading import by_hand, esc50, fsdd, offered, speech_commands_archives
from schemas import options

CORPORA: Mapping[str, offered.Offered] = {
  'common_voice': by_hand.COMMON_VOICE,
  'esc50': esc50.CORPUS,
  'fsdd': fsdd.CORPUS,
  'kaggle_speech_commands': by_hand.KAGGLE_SPEECH_COMMANDS,
  'speech_commands': speech_commands_archives.CORPUS,
}

SETTINGS: Mapping[str, type] = {name: corpus.settings for name, corpus in CORPORA.items()}

options.check_table(SETTINGS)


def parse(text: str) -> tuple[str, Any]:
  """Returns the name and the settings of a corpus, from such as `speech_commands:version=0.02`.

  Raises:
    ConfigError: for an unknown name or setting.
  """
  return options.parse(text, SETTINGS, family='corpus to download')
