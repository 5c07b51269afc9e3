"""What can be refused before TensorFlow is imported, which takes seconds."""

from trainer import config as config_lib
from trainer import datasets, resume
from trainer.augment import chain


def check(config: config_lib.TrainConfig) -> tuple[datasets.Data, resume.Start]:
  """Returns the data set that the config names, and how the run begins.

  Raises:
    DatasetError: if it is missing or cannot teach anything.
    ConfigError: if the run folder may not be used, or the data set does not give what is computed
      or changed.
  """
  data = datasets.load(
    config.data,
    feature_name=config.feature,
    compute=config.compute,
    sample_rate_hz=config.sample_rate_hz,
    clip_s=config.clip_seconds,
  )
  chain.Chain(config.augment).check(data.feature, data.computed)
  return data, resume.decide(config, data)
