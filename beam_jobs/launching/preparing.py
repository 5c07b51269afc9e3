"""The corpus before the job begins: made where the source makes its own, and looked at."""

import dataclasses
from typing import Any

from beam_jobs import config as config_lib
from beam_jobs import rules, sources
from beam_jobs.shards import noise_recordings
from beam_jobs.sources import corpus, corrected
from beam_jobs.sources import source as source_lib
from schemas import errors


def prepare(config: config_lib.FeaturizeConfig) -> config_lib.FeaturizeConfig:
  """Makes or checks the corpus; returns the configuration with the noise that there is.

  And with what the file of corrections says.

  Raises:
    SourceError: if the corpus is not there, its table or all its noise cannot be read.
    ConfigError: if noise is wanted and there is none, or corrections cannot be read.
  """
  source = sources.SOURCES[config.source]
  if config.corrections and not source.is_labelled:
    raise errors.ConfigError(
      f'--corrections={config.corrections} is for labels, and clips of --source={config.source} '
      'have none. Leave one of the two out.'
    )
  balance = config.selection.balance
  if balance != rules.NONE and not source.is_labelled:
    raise errors.ConfigError(
      f'--balance={balance} has no effect with --source={config.source}, whose clips have no '
      'labels. Leave it away.'
    )
  config = dataclasses.replace(config, corrected=corrected.read(config.corrections))
  folder = opened(source, config.input, settings=config.source_settings, all_files=config.all_files)
  found = noise_recordings.find(config.augmentations, source, folder, config.source_settings)
  if not found or config.audio is None:
    return config
  noise, noted = noise_recordings.usable(found, config.audio.sample_rate_hz)
  return dataclasses.replace(config, noise=noise, noted=noted)


def opened(
  source: source_lib.Source, place: str, *, settings: Any, all_files: bool
) -> corpus.Corpus:
  """Makes or checks a corpus; returns it.

  Args:
    source: Of its kind.
    place: What --input names.
    settings: Those of the source.
    all_files: Whether files of any ending are taken.

  Raises:
    SourceError: if the corpus is not there, or its table cannot be read.
  """
  folder = source.opened(place, settings, all_files=all_files)
  if source.is_streamed:
    next(source.entries(folder, settings), None)
  return folder
