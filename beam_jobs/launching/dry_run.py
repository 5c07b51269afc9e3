"""What a job would do, told from the listing alone: clips, splits, shards, bytes, time."""

import collections
import dataclasses
import math
import time
from collections.abc import Iterator

import numpy as np

from beam_jobs import config as config_lib
from beam_jobs import rules, sources
from beam_jobs.launching import flags, preparing, probing, summary
from beam_jobs.output import warnings
from beam_jobs.planning import plan as plan_lib
from beam_jobs.sources import corpus
from features import extractor
from pages import words
from schemas import medium as media
from schemas import naming, rejects, splits
from schemas.utterance import Utterance

# The kernels are timed on so many made-up clips.
_TIMED_CLIPS = 64


def show(invocation: flags.Invocation) -> None:
  """Prints what the job would do; writes nothing but a corpus that the source makes itself.

  Raises:
    VoxshardError: for what would stop the job before it reads audio.
  """
  config = preparing.prepare(invocation.config)
  title = f'Plan of {config.name}: {config.input} to {config.output}'
  sample = probing.Sample() if invocation.probe else None
  lines = rows(config, num_workers=max(1, invocation.workers), sample=sample)
  summary.print_table(lines, title=title)


def rows(
  config: config_lib.FeaturizeConfig, *, num_workers: int, sample: probing.Sample | None = None
) -> Iterator[tuple[str, str]]:
  """Lists the corpus and plans the job, in this process; yields what it would be, line by line.

  Args:
    config: The job.
    num_workers: Local worker processes, for the time.
    sample: Where clips are picked whose headers are read; None reads none.
  """
  listing = _listed(config, sample)
  left_out = listing.left_out
  plan = plan_lib.make_plan(listing.census, config)
  left_out.update(plan.left_out)
  num_records = sum(plan.num_records.values())
  medium = sources.SOURCES[config.source].medium
  for split in splits.SPLITS:
    if plan.shards_by_split.get(split):
      parts = (
        words.counted(plan.num_records[split], 'record'),
        summary.speakers(
          plan.voices[split].count,
          plan.voices[split].num_noises,
          plan.speakers.get(split, ()),
          medium,
        ),
        words.counted(plan.shards_by_split[split], 'shard'),
      )
      yield split, ', '.join(filter(None, parts))
  yield f'{media.example(medium)}s', f'{plan.num_clips:,}'
  yield 'labels', f'{len(plan.labels)}: {summary.some(plan.labels)}'
  if sample is not None:
    yield from probing.rows(sample, config)
  yield 'features', ', '.join(map(summary.feature, config.features))
  typical = config.audio is not None and config.audio.is_variable
  yield (
    'size',
    f'about {num_records * config.record_bytes / 1e6:,.1f} MB'
    + (f', if clips last {config_lib.TYPICAL_CLIP_S:g} s' if typical else ''),
  )
  compute_s = num_records * _seconds_per_record(config)
  yield (
    'time',
    f'features about {_duration(compute_s / num_workers)} with '
    f'{words.counted(num_workers, "worker")}, timed on noise; reading and decoding come on top',
  )
  for reason, count in sorted(listing.unusable.items()):
    yield 'rejects', f'{count:,} {reason}: {rejects.ADVICE[reason]}'
  yield from summary.left_out(dict(sorted(left_out.items())))
  yield from summary.noted(rejects.merged(listing.noted))
  if config.duplicates != rules.KEEP:
    yield (
      'duplicates',
      f'not known before audio is read: --duplicates={config.duplicates} changes these numbers',
    )
  yield from (('warning', warning) for warning in warnings.planned(plan, config))
  yield 'written', f'nothing; without --plan the job writes {naming.MANIFEST} and the shards'


@dataclasses.dataclass(kw_only=True)
class _Listing:
  """What a source lists, counted."""

  census: plan_lib.Census
  unusable: collections.Counter[str]
  left_out: collections.Counter[str]
  noted: list[rejects.Noted]


def _listed(config: config_lib.FeaturizeConfig, sample: probing.Sample | None) -> _Listing:
  census = plan_lib.Census()
  unusable: collections.Counter[str] = collections.Counter()
  left_out: collections.Counter[str] = collections.Counter()
  noted: list[rejects.Noted] = [*config.noted]
  source = sources.SOURCES[config.source]
  folder = corpus.Corpus(config.input, all_files=config.all_files)
  for entry in source.entries(folder, config.source_settings, config.corrected):
    if isinstance(entry, Utterance):
      census.add(entry, config)
      if sample is not None:
        sample.offer(entry)
      if entry.with_kept_fields(config.fields.wanted).has_long_field:
        names = (entry.utterance_id,)
        noted = [*rejects.merged([*noted, rejects.Noted(reason='long_field', names=names)])]
    elif isinstance(entry, rejects.Reject):
      unusable[entry.reason] += 1
    elif isinstance(entry, rejects.Noted):
      noted.append(entry)
    else:
      left_out[entry.reason] += entry.count
  return _Listing(census=census, unusable=unusable, left_out=left_out, noted=noted)


def _seconds_per_record(config: config_lib.FeaturizeConfig) -> float:
  """Returns how long the features of one clip take here, measured on noise."""
  if config.audio is None:
    return 0.0
  samples = config.audio.clip_samples or round(
    config_lib.TYPICAL_CLIP_S * config.audio.sample_rate_hz
  )
  clips = max(1, min(_TIMED_CLIPS, math.ceil((1 << 20) / samples)))
  noise = np.random.default_rng(0).standard_normal((clips, samples), np.float32) / 10
  kernels = extractor.Extractor(config.features, config.audio)
  kernels.compute_stored(noise)  # Tables are made here.
  start_s = time.perf_counter()
  kernels.compute_stored(noise)
  return (time.perf_counter() - start_s) / clips


def _duration(seconds: float) -> str:
  if seconds < 90:
    return f'{max(1, round(seconds))} s'
  return f'{seconds / 60:.0f} min' if seconds < 5400 else f'{seconds / 3600:.1f} h'
