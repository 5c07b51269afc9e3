"""A classifier of scikit-learn in its two moments: it learns, and it answers with logits."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import threadpoolctl
from numpy.typing import NDArray

from trainer import baselines
from trainer.baselines import family

# The least probability, as in scikit-learn's log_loss on float32: a forest says 0 where no tree
# votes for a label, and its logarithm is no number.
LEAST_PROBABILITY = float(np.finfo(np.float32).eps)


@dataclasses.dataclass(frozen=True, eq=False)
class Classifier:
  """A classifier that has learned.

  Attributes:
    estimator: scikit-learn's, or a pipeline with it at its end.
    num_labels: Those of the data set, of which the train split may lack some.
  """

  estimator: Any
  num_labels: int

  @property
  def num_values(self) -> int:
    """How many values of a clip it takes."""
    return int(self.estimator.n_features_in_)

  def logits(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns float32 [clips, labels].

    They are the logarithms of the probabilities that scikit-learn gives, of at least
    LEAST_PROBABILITY. An svm gives none: there they are the margins of its decision function. A
    label that it has never seen gets less than any other.

    Args:
      vectors: float32 [clips, values].
    """
    with _threads(1):
      if hasattr(self.estimator, 'predict_proba'):
        found = np.log(np.maximum(self.estimator.predict_proba(vectors), LEAST_PROBABILITY))
      else:
        found = self.estimator.decision_function(vectors)
    if found.ndim == 1:  # Of two labels, how much the second is ahead.
      found = np.stack([-found / 2, found / 2], axis=1)
    least = found.min(axis=1, keepdims=True) + np.log(LEAST_PROBABILITY)
    logits = np.repeat(least, self.num_labels, axis=1).astype(np.float32)
    logits[:, self.estimator.classes_] = found
    return logits


def learn(
  name: str,
  settings: Any,
  vectors: NDArray[np.float32],
  labels: NDArray[np.int64],
  *,
  num_labels: int,
  fit: family.Fit,
) -> tuple[Classifier, list[str]]:
  """Returns a classifier that has learned, and sentences of what went otherwise than was meant.

  The same arguments give the same classifier, whatever `fit.jobs` is.

  Args:
    name: A key of BASELINES.
    settings: What `baselines.parse` returned with it.
    vectors: float32 [clips, values].
    labels: int64 [clips].
    num_labels: Those of the data set.
    fit: How to learn.
  """
  member = baselines.BASELINES[name]
  estimator = member.make(settings, fit)
  size = family.Size(clips=len(vectors), values=vectors.shape[1], labels=num_labels)
  with _threads(member.threads(fit.jobs, size)), warnings.catch_warnings():
    warnings.simplefilter('ignore')  # What they say is said by `notes`, in a sentence.
    estimator.fit(vectors, labels)
  # Threads that answer add votes up in the order in which they are done.
  jobs = {key: None for key in estimator.get_params() if key.rpartition('__')[2] == 'n_jobs'}
  estimator.set_params(**jobs)
  return Classifier(estimator, num_labels), list(member.notes(settings, estimator))


@contextlib.contextmanager
def _threads(jobs: int) -> Iterator[None]:
  """Limits the threads of scikit-learn's own loops, and those of linear algebra to one.

  With another number of them, sums of matrix products are rounded otherwise.
  """
  # Threads that wait would take the cores from those that work: 20 rounds of boosting took 30
  # seconds of CPU on two cores, and 5 so. Read once, when the library is loaded.
  os.environ.setdefault('OMP_WAIT_POLICY', 'passive')
  import sklearn.utils  # noqa: F401 - so that the libraries that are limited are there.

  pools = threadpoolctl.ThreadpoolController()
  with pools.limit(limits=1, user_api='blas'), pools.limit(limits=jobs, user_api='openmp'):
    yield
