"""What a record says of where its clip comes from."""

from typing import Any

from beam_jobs import config as config_lib
from beam_jobs import sources
from beam_jobs.sources.tfds_records import clip_uri
from features.decoding import clips
from schemas import errors, record
from schemas.utterance import Utterance


class Provenance:
  """The fields of origin of all records of a data set."""

  def __init__(self, config: config_lib.Listed) -> None:
    """Takes the configuration, which names the corpus."""
    source = sources.SOURCES[config.source]
    folder = source.folder_of(config.input, config.source_settings)
    self._prefix = errors.shown(f'{folder}/')

  def file(self, utterance: Utterance) -> str:
    """Returns the file of a clip, as it is called in the corpus; no secrets of an address."""
    # First what may be shown: without its beginning nobody tells an address from a name.
    return errors.shown(clip_uri.file_of(utterance.uri)).removeprefix(self._prefix)

  def of(self, utterance: Utterance, clip: clips.Clip) -> dict[str, Any]:
    """Returns the values of record.OF_ORIGIN for a clip."""
    return {
      record.FILE: self.file(utterance),
      record.START_US: _microseconds(clip.start_s),
      record.END_US: _microseconds(clip.start_s + clip.source_s),
      record.FIELDS: dict(utterance.fields),
    }


def _microseconds(seconds: float) -> int:
  return round(seconds * 1e6)
