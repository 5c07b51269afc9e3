"""A data set of the version before: read wherever nothing is missed.

It was written by the data job as of its last commit with version 2, and is not made again.
"""

import dataclasses
import pathlib

import pytest

from beam_jobs.exploration import records
from schemas import record
from tfrecords import describe, manifest_file, storage, verify
from tfrecords.pipeline import batch_request, dataset

DATA = str(pathlib.Path(__file__).parent / 'version_2')


@pytest.fixture(scope='module')
def manifest():
  return manifest_file.load(DATA)


def test_its_manifest_is_read_with_what_it_does_not_say_left_empty(manifest):
  assert manifest.record_version == 2 != record.RECORD_VERSION
  assert (manifest.noted, manifest.labels) == ((), ('no', 'yes'))
  assert 'record version: 2' in describe.describe(manifest)
  shards = tuple(dataclasses.replace(shard, audio_s=3_600.0) for shard in manifest.shards)
  text = describe.describe(dataclasses.replace(manifest, shards=shards))
  assert 'hours of audio\n' in text  # Nothing of recordings of 0 hours.


def test_it_is_verified(manifest):
  assert verify.find_problems(DATA, manifest) == []


def test_the_trainer_reads_its_batches(manifest):
  request = batch_request.BatchRequest(
    data_dir=DATA,
    manifest=manifest,
    split='train',
    feature_names=('log_mel',),
    batch_size=2,
    with_ids=True,
  )
  (batch,) = dataset.read_batches(request)
  assert sorted(batch['id'].numpy()) == [b'no/anna_0.wav', b'yes/anna_0.wav']
  assert batch['log_mel'].shape == (2, 3, 4)


def test_explore_reads_its_records(manifest):
  scan = records.Records(DATA, manifest, storage.LOCAL).scan(max_clips=10, max_examples=1)
  assert scan.census.num_clips == 6
