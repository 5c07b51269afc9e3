"""How many records may be held to mix them, or to sort them by length."""

from schemas.manifest import DatasetManifest

# A shuffle mixes this much: 4,200 clips of log-mel 98x80 in float16. A shard's own records lie in
# the order of a hash, so the buffer only has to mix the shards that are read at once with those
# that follow. Measured on 2 cores with 16,000 such clips, several runs: no shuffle 48,000 to 55,000
# clips/s, 64 MiB 24,000 to 50,000, 256 MiB 16,000 to 38,000: memory seen first is slow.
SHUFFLE_BYTES = 64 << 20
_MAX_SHUFFLE_RECORDS = 1 << 16
# Batches that are cut from one pool of records sorted by length, at most, and the bytes of a pool.
# For a moment there are three copies of it: as read, in order, in random batches.
_POOL_BATCHES = 16
POOL_BYTES = 64 << 20

# Where each label has a stream of its own: shards that are open at once, over all of them, the
# bytes of what is read ahead of these, and records of each that are looked at together.
_OPEN_SHARDS = 128
_AHEAD_BYTES = 32 << 20
_LEAST_AHEAD_BYTES = 1 << 14
CHUNK_RECORDS = 16


def cycle_shards(num_labels: int, *, most: int) -> int:
  """Returns the shards that the stream of one of so many labels reads at once."""
  return max(1, min(most, _OPEN_SHARDS // num_labels))


def ahead_bytes(num_labels: int) -> int:
  """Returns the bytes that are read ahead of each shard that is open."""
  return max(_LEAST_AHEAD_BYTES, _AHEAD_BYTES // max(_OPEN_SHARDS, num_labels))


def balanced_bytes(
  manifest: DatasetManifest, split: str, *, most_shards: int, record_bytes: int
) -> int:
  """Returns what streams of labels hold beside what a shuffle does: open shards, and a round."""
  ahead, most = (
    ahead_bytes(manifest.num_labels),
    cycle_shards(manifest.num_labels, most=most_shards),
  )
  num_bytes = 0
  for i in range(manifest.num_labels):
    holding = sorted(one.num_bytes for one in manifest.shards_of(split) if one.label_counts[i])
    num_bytes += sum(min(ahead, size) for size in holding[:most])
  return num_bytes + manifest.num_labels * record_bytes


def shuffle_records(
  manifest: DatasetManifest, split: str, shuffle_bytes: int = SHUFFLE_BYTES
) -> int:
  """Returns how many records a shuffle may hold in `shuffle_bytes`: at most the whole split."""
  fitting = int(shuffle_bytes / _mean_bytes(manifest, split))
  return max(1, min(manifest.num_records(split), fitting, _MAX_SHUFFLE_RECORDS))


def pool_batches(
  manifest: DatasetManifest, split: str, *, batch_size: int, pool_bytes: int = POOL_BYTES
) -> int:
  """Returns how many batches are cut from one pool: at most 16, and no more than the split has."""
  fitting = int(pool_bytes / (batch_size * _mean_bytes(manifest, split)))
  return max(1, min(_POOL_BATCHES, fitting, manifest.num_records(split) // batch_size))


def _mean_bytes(manifest: DatasetManifest, split: str) -> float:
  """Returns the bytes of a record in memory, with about 100 around it."""
  num_bytes = sum(shard.num_bytes for shard in manifest.shards_of(split))
  return 100 + num_bytes / max(1, manifest.num_records(split))
