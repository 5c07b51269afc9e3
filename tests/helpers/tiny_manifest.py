"""Manifests without a data set behind them."""

from schemas import audio, manifest, naming, record


def of(
  *,
  shape: tuple[int | None, ...] = (32, 32),
  labels: tuple[str, ...] = ('no', 'stop', 'yes'),
  mean: tuple[float, ...] = (0.0,),
  variance: tuple[float, ...] = (1.0,),
  counts: dict[str, tuple[int, ...]] | None = None,
  name: str = 'log_mel',
  settings: dict | None = None,
) -> manifest.DatasetManifest:
  """A manifest of one feature; a single mean or variance stands for all bins."""
  spec = record.FeatureSpec(name=name, shape=shape, dtype='float16', settings=settings or {})
  return manifest.DatasetManifest(
    name='tiny',
    audio=audio.AudioSpec(clip_s=0 if shape[0] is None else 1),
    features=(spec,),
    labels=labels,
    shards=tuple(_shard(split, per_label) for split, per_label in (counts or {}).items()),
    statistics={
      name: manifest.FeatureStatistics(
        count=100,
        mean=_per_bin(mean, spec.num_bins),
        variance=_per_bin(variance, spec.num_bins),
      )
    },
    num_speakers={split: 1 for split in counts or {}},
    speakers={split: ('ada',) for split in counts or {}},
    rejects={},
    config={},
    versions={},
  )


def _per_bin(values: tuple[float, ...], num_bins: int) -> tuple[float, ...]:
  return values * num_bins if len(values) == 1 else values


def _shard(split: str, counts: tuple[int, ...]) -> manifest.ShardInfo:
  name = naming.ShardName(dataset_name='tiny', split=split, index=0, num_shards=1)
  return manifest.ShardInfo(
    file_name=str(name),
    num_records=sum(counts),
    num_bytes=0,
    sha256='0' * 64,
    num_speakers=1,
    label_counts=counts,
    audio_s=1.0,
    source_s=1.0,
  )
