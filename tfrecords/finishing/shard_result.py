"""What a finished shard adds to the manifest; kept in its note, so that a rerun has it, too."""

import base64
import binascii
import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from schemas import errors, json_form, record, splits
from schemas import rejects as rejects_lib
from schemas.manifest import FeatureStatistics, ShardInfo
from tfrecords.finishing import durations as durations_lib
from tfrecords.finishing import moments as moments_lib

# How a shard came to be in a run: an earlier one's that is kept; new; or made anew, because its
# clips are others, it is not whole, files changed, or files are tried again that were not readable.
KEPT, NEW, OTHER = 'kept', 'new', 'other'
DAMAGED, CHANGED, RETRIED = 'damaged', 'changed', 'retried'
# Of shards of answers: another model said them.
OTHER_MODEL = 'other_model'


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShardResult:
  """What is known of a shard when it is whole.

  Attributes:
    info: The shard's entry.
    speakers: Sorted.
    moments: Per feature, for the train split; empty for others.
    rejects: Clips that are left out.
    noted: What is to be said of those that are not.
    durations: How long these are, and were before they were cut.
    digests: Of every record, in their order, 8 bytes that tell audio by its samples, little-endian;
      zeros for copies and for silence.
    how: How it came to be in this run; no part of its note.
    changed_files: Files for whose sake it was made anew; no part of its note.
  """

  info: ShardInfo
  speakers: tuple[str, ...]
  moments: dict[str, moments_lib.Moments]
  rejects: tuple[rejects_lib.Reject, ...]
  noted: tuple[rejects_lib.Noted, ...] = ()
  durations: durations_lib.Durations = durations_lib.Durations()
  digests: bytes = b''
  how: str = NEW
  changed_files: int = 0

  def to_json(self) -> dict[str, Any]:
    """Returns plain values, exactly: Python writes a float64 as what reads back as the same."""
    return {
      'info': self.info.to_json(),
      'speakers': list(self.speakers),
      'moments': {
        name: {'count': part.count, 'mean': part.mean.tolist(), 'm2': part.m2.tolist()}
        for name, part in self.moments.items()
      },
      'rejects': [reject.to_json() for reject in self.rejects],
      'noted': [note.to_json() for note in self.noted],
      'durations': self.durations.to_json(),
      'digests': base64.b64encode(self.digests).decode('ascii'),
    }

  @classmethod
  def from_json(cls, value: Any, *, where: str) -> 'ShardResult':
    """Reads what to_json wrote."""
    obj = json_form.Reader(value, where)
    moments = {}
    for name, item in obj.mapping('moments').items():
      part = json_form.Reader(item, f'{where}, {name}')
      moments[name] = moments_lib.Moments(
        part.integer('count'), np.array(part.numbers('mean')), np.array(part.numbers('m2'))
      )
    return cls(
      info=ShardInfo.from_json(obj.mapping('info'), where=where),
      speakers=tuple(obj.texts('speakers')),
      moments=moments,
      rejects=tuple(
        rejects_lib.Reject.from_json(item, where=where) for item in obj.items('rejects')
      ),
      noted=tuple(rejects_lib.Noted.from_json(item, where=where) for item in obj.items('noted')),
      durations=durations_lib.Durations.from_json(obj.mapping('durations'), where=where),
      digests=_bytes(obj.text('digests'), where=where),
    )


def _bytes(text: str, *, where: str) -> bytes:
  try:
    return base64.b64decode(text, validate=True)
  except (ValueError, binascii.Error) as error:
    raise errors.SchemaError(f'{where}: digests must be base64, got {text[:20]!r}.') from error


def speakers_by_split(results: Iterable[ShardResult]) -> dict[str, set[str]]:
  """Returns who speaks in each split; a speaker may stand in several shards."""
  speakers: dict[str, set[str]] = {}
  for result in results:
    speakers.setdefault(result.info.split, set()).update(result.speakers)
  return speakers


def statistics(
  results: Iterable[ShardResult], specs: Sequence[record.FeatureSpec]
) -> dict[str, FeatureStatistics]:
  """Returns the train split's mean and variance per feature, merged in the order of the shards.

  Empty if there is no train shard.
  """
  train = [result for result in results if result.info.split == splits.TRAIN]
  if not train:
    return {}
  return {
    spec.name: moments_lib.merge_all(
      (result.moments[spec.name] for result in train), spec.num_bins
    ).to_statistics()
    for spec in specs
  }
