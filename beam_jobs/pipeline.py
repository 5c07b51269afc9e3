"""The data job: references are shuffled, features never."""

import apache_beam as beam
from apache_beam import pvalue

from beam_jobs import transforms


def build(root: beam.Pipeline, job: transforms.Job) -> None:
  """Adds the whole job to a pipeline."""
  utterances, unusable = root | 'ListUtterances' >> transforms.list_utterances(job)
  plan = pvalue.AsSingleton(utterances | 'PlanSplitsAndShards' >> transforms.make_plan(job))
  references = utterances | 'AssignSplitAndShard' >> transforms.assign_shards(job, plan)
  groups = references | 'GroupByShard' >> beam.GroupByKey()
  shards = groups | 'WriteShard' >> transforms.write_shards(job, plan)
  _ = (shards, unusable) | 'WriteManifest' >> transforms.write_manifest(job, plan)
