"""The data job: references are shuffled, features never."""

import apache_beam as beam
from apache_beam import pvalue

from beam_jobs import transforms


def build(root: beam.Pipeline, job: transforms.Job) -> None:
  """Adds the whole job to a pipeline."""
  utterances, unusable = root | 'ListUtterances' >> transforms.ListUtterances(job)
  plan = pvalue.AsSingleton(utterances | 'PlanSplitsAndShards' >> transforms.MakePlan(job))
  references = utterances | 'AssignSplitAndShard' >> transforms.AssignShards(job, plan)
  groups = references | 'GroupByShard' >> beam.GroupByKey()
  shards = groups | 'WriteShard' >> transforms.WriteShards(job, plan)
  _ = (shards, unusable) | 'WriteManifest' >> transforms.WriteManifest(job, plan)
