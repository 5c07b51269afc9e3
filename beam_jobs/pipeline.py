"""The data job: references are shuffled, features never."""

import apache_beam as beam
from apache_beam import pvalue

from beam_jobs import deduplication, rules, transforms


def build(root: beam.Pipeline, job: transforms.Job) -> None:
  """Adds the whole job to a pipeline."""
  utterances, unusable = root | 'ListUtterances' >> transforms.list_utterances(job)
  if job.config.duplicates != rules.KEEP:
    utterances, left_out = utterances | 'SettleDuplicates' >> deduplication.settle_duplicates(job)
    unusable = (unusable, left_out) | 'NotTaken' >> beam.Flatten()
  plan = pvalue.AsSingleton(utterances | 'PlanSplitsAndShards' >> transforms.make_plan(job))
  references = utterances | 'AssignSplitAndShard' >> transforms.assign_shards(job, plan)
  groups = references | 'GroupByShard' >> beam.GroupByKey()
  shards = groups | 'WriteShard' >> transforms.write_shards(job, plan)
  _ = (shards, unusable) | 'WriteManifest' >> transforms.write_manifest(job, plan)
