"""Clips of the data set that a run learned from: what its network takes, and what they sound like.

For ranges of 8 bits, and for measuring an export. The data set may be gone since the training, and
the recordings that it was made of too: then it is said.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exports import clip_input, export_file
from features import stored_form
from features.decoding import byte_ranges, clips
from schemas import errors, manifest, record, utterance
from tfrecords import manifest_file, reader, storage
from tfrecords.wire import codec
from trainer.data.raw import files as raw_files
from trainer.judging import compatibility
from trainer.predictions import recordings as recordings_lib
from trainer.runs import saved_run


@dataclasses.dataclass(frozen=True, kw_only=True)
class Clips:
  """Records of a data set that a run's model can be asked of.

  Attributes:
    data_dir: The folder.
    dataset: Its manifest.
    run: Whose model takes the feature.
  """

  data_dir: str
  dataset: manifest.DatasetManifest
  run: saved_run.SavedRun

  def records(self, split: str, most: int) -> Iterator[codec.Record]:
    """Yields originals of a split, as many of each shard, so that many speakers are among them.

    Raises:
      RecordError: if a shard or a record is damaged.
    """
    shards = [shard for shard in self.dataset.shards_of(split) if shard.num_records]
    files = storage.storage_of(self.data_dir)
    left = most
    for number, shard in enumerate(shards):
      share = -(-left // (len(shards) - number))
      found = reader.read_records(files.join(self.data_dir, shard.file_name), files)
      decoded = (
        codec.decode(data, self.dataset.features, record_version=self.dataset.record_version)
        for data in found
      )
      taken = 0
      for clip in itertools.islice(filter(_is_original, decoded), share):
        taken += 1
        yield clip
      left -= taken

  def stored(self, clip: codec.Record) -> NDArray[np.float32]:
    """Returns what is stored of a clip: the feature that the run learned from."""
    values: NDArray[np.float32] = stored_form.from_stored(clip.arrays[self.run.feature.name])
    return values

  def heard(self, clip: codec.Record, export: export_file.Export) -> NDArray[Any] | None:
    """Returns what a caller gives an export of a clip, or None where its file is not there."""
    recordings = recordings_lib.Recordings(self.dataset, self.data_dir)
    path = recordings.path(clip.file)
    if not path:
      return None
    try:
      if export.audio is None:
        return clip_input.picture(clips.read_bytes(path), export).samples.astype(np.uint8)
      excerpt = None
      if clip.end_us > clip.start_us:
        seconds = (clip.end_us - clip.start_us) / 1e6
        excerpt = utterance.Excerpt(start_s=clip.start_us / 1e6, duration_s=seconds)
      with clips.opened_file(path) as stream:
        return clip_input.decode(byte_ranges.ByteRanges(stream), export, excerpt).samples
    except (clips.ClipError, errors.VoxshardError):
      return None  # It was replaced by something else.


def load(run: saved_run.SavedRun, *, data_dir: str = '') -> Clips:
  """Returns the clips of a data set for a run.

  Args:
    run: Whose model is asked.
    data_dir: Another one than that of the training.

  Raises:
    DatasetError, ConfigError: if it is gone, or does not fit.
  """
  data_dir = data_dir or run.data_dir
  if raw_files.is_raw(data_dir):
    raise errors.ConfigError(
      f'{data_dir} names raw files. Name a data set of the same settings with --calibration_data: '
      'python -m beam_jobs.featurize makes it.'
    )
  dataset = manifest_file.load(data_dir, storage.storage_of(data_dir))
  compatibility.check_feature(run, dataset, data_dir=data_dir)
  return Clips(data_dir=data_dir, dataset=dataset, run=run)


def _is_original(clip: codec.Record) -> bool:
  return not record.is_copy(clip.utterance_id, clip.augmentation)
