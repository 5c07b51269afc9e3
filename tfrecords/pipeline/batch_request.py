"""Which batches are wanted: all that decides it, and nothing else. Imports no TensorFlow."""

import dataclasses
from collections.abc import Sequence

from schemas.manifest import DatasetManifest
from tfrecords.pipeline import buffers, caches, shares
from tfrecords.pipeline import excerpts as excerpts_lib


@dataclasses.dataclass(frozen=True, kw_only=True)
class BatchRequest:
  """What a reader asks for; by default one pass over a split, in order.

  Attributes:
    data_dir: Folder of the data set, or what else the reader knows by that.
    manifest: Its manifest.
    split: Such as `train`.
    feature_names: The features to read.
    batch_size: Records per batch.
    shuffle: Whether to mix; else records come in the same order in every pass.
    repeat: Whether to go on forever.
    drop_remainder: Whether to leave out a last batch that is not full.
    seed: Decides the order.
    with_ids: Whether batches hold `id` and `speaker` too.
    with_origins: Whether they hold `augmentation`, and `file`, `start_us`, `end_us` and `fields`
      where the data set has them (its record_version says so).
    shuffle_bytes: Memory for mixing.
    start_step: Batches that are left out at the beginning: those that follow are the same.
    balanced: Records that make a step, of which each label has as many: with shuffle and repeat,
      and of any length side by side; 0: records come as they lie.
    share: What of the split this reader takes.
    cache: One of caches.CACHES; which batches come does not depend on it.
    cache_dir: Folder for the copies of the cache `disk`.
    deterministic: Whether the order is kept where one storage answers later than another.
    excerpts: What the shards of the manifest are of other files, by their names; {}: they are
      files in data_dir.
  """

  data_dir: str
  manifest: DatasetManifest
  split: str
  feature_names: Sequence[str]
  batch_size: int
  shuffle: bool = False
  repeat: bool = False
  drop_remainder: bool = False
  seed: int = 0
  with_ids: bool = False
  with_origins: bool = False
  shuffle_bytes: int = buffers.SHUFFLE_BYTES
  start_step: int = 0
  balanced: int = 0
  share: shares.Share = shares.ALL
  cache: str = caches.NONE
  cache_dir: str = ''
  deterministic: bool = True
  excerpts: excerpts_lib.Excerpts = dataclasses.field(default_factory=dict)
