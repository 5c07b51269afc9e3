"""Some records of a shard file that stand for a shard of their own, as in a fold of a data set.

Whoever reads has a manifest that speaks of excerpts as if they were files, and here stands what
each is: nothing is copied, and the files of a data set may be divided in any number of ways.
Imports no TensorFlow.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from schemas.manifest import ShardInfo
from tfrecords import storage as storage_lib


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Excerpt:
  """What the file name of an excerpt in a manifest stands for.

  Attributes:
    data_dir: Folder of the data set whose file it is of.
    shard: What the manifest there says of that file.
    is_taken: Which of its records are in the excerpt, bool [records of the file]; in their order.
  """

  data_dir: str
  shard: ShardInfo
  is_taken: NDArray[np.bool_]

  @property
  def path(self) -> str:
    """Where the file lies."""
    return storage_lib.storage_of(self.data_dir).join(self.data_dir, self.shard.file_name)

  @property
  def is_whole(self) -> bool:
    """Whether it is the whole file."""
    return bool(self.is_taken.all())


# By the file name that the manifest of the reader has.
Excerpts = Mapping[str, Excerpt]
