"""The classifiers of scikit-learn that `python -m trainer.baseline --model` can name."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from schemas import options
from trainer.baselines import family, gradient_boosting, logistic, random_forest, svm

BASELINES: Mapping[str, family.BaselineFamily] = {
  'random_forest': random_forest.FAMILY,
  'logistic': logistic.FAMILY,
  'svm': svm.FAMILY,
  'gradient_boosting': gradient_boosting.FAMILY,
}

SETTINGS: Mapping[str, type] = {name: member.settings for name, member in BASELINES.items()}
# From a text, such as `svm:c=10`, to the name and the settings; ConfigError.
parse = functools.partial(options.parse, settings_by_name=SETTINGS, family='baseline')
