"""Lists a corpus through its source, with errors that say what is wrong with the folder."""

from collections.abc import Iterator

from beam_jobs import config as config_lib
from beam_jobs import corpus, sources
from schemas import errors, rejects
from schemas.utterance import Utterance


def list_corpus(config: config_lib.FeaturizeConfig) -> Iterator[Utterance | rejects.Reject]:
  """Yields the utterances of the configured corpus, and rejects for what cannot be one.

  Raises:
    SourceError: if the folder is missing or empty, or nothing in it fits the source.
  """
  source = sources.SOURCES[config.source]
  num_utterances = 0
  num_rejects = 0
  first_reject: rejects.Reject | None = None
  for item in source.list_utterances(corpus.Corpus(config.input), config.source_settings):
    if isinstance(item, rejects.Reject):
      num_rejects += 1
      first_reject = first_reject or item
    else:
      num_utterances += 1
    yield item
  if not num_utterances:
    example = f' The first: {first_reject.uri}: {first_reject.detail}' if first_reject else ''
    raise errors.SourceError(
      f'The source {config.source!r} can use none of the {num_rejects} entries of '
      f'{config.input!r}.{example} Check --source, its settings and --input.'
    )
