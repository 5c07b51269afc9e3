"""The data job: references are shuffled, features never."""

import apache_beam as beam
from apache_beam import pvalue

from beam_jobs import config as config_lib
from beam_jobs import transforms


def build(root: beam.Pipeline, config: config_lib.FeaturizeConfig) -> None:
  """Adds the whole job to a pipeline."""
  utterances, unusable = root | 'ListUtterances' >> transforms.ListUtterances(config)
  plan = pvalue.AsSingleton(utterances | 'PlanSplitsAndShards' >> transforms.MakePlan(config))
  references = utterances | 'AssignSplitAndShard' >> transforms.AssignShards(config, plan)
  groups = references | 'GroupByShard' >> beam.GroupByKey()
  shards = groups | 'WriteShard' >> transforms.WriteShards(config, plan)
  _ = (shards, unusable) | 'WriteManifest' >> transforms.WriteManifest(config, plan)
