"""A classifier of scikit-learn in a file of skops: its parts are named, and nothing is unpickled.

skops (MIT licence) writes numbers as .npy and the rest as JSON, and builds no object of a type that
it was not told to trust. It opens without this project: `skops.io.load(PATH, trusted=TRUSTED)`.
"""

from __future__ import annotations

import os
import warnings
import zipfile
from typing import Any

from schemas import errors

# What the baselines need beside scikit-learn's public classifiers and NumPy's arrays, which skops
# trusts by itself.
TRUSTED = (
  'sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor',
  'sklearn.tree._tree.Tree',
)


def save(path: str, estimator: Any) -> None:
  """Writes a file; its parts are named by the order in which memory was free, so bytes differ."""
  import skops.io

  skops.io.dump(estimator, path, compression=zipfile.ZIP_DEFLATED, compresslevel=6)


def load(path: str) -> Any:
  """Returns the classifier in a file.

  Raises:
    ConfigError: if there is none, it is damaged, or holds a type that no baseline needs.
  """
  import skops.io

  if not os.path.exists(path):
    raise errors.ConfigError(
      f'There is no classifier {path!r}: the run did not come to its end. Run the same command of '
      '`python -m trainer.baseline` again, or name another --run_dir.'
    )
  try:
    foreign = sorted(set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED))
    if foreign:
      raise errors.ConfigError(
        f'The file {path!r} holds {errors.some(foreign, 3)}, which no baseline of this program '
        'has, so it is not opened: what it does is not known. Train again, or put back the file '
        'that `python -m trainer.baseline` wrote.'
      )
    with warnings.catch_warnings():
      # Another scikit-learn: said of the run, in a sentence.
      warnings.simplefilter('ignore')
      found = skops.io.load(path, trusted=list(TRUSTED))
  except errors.VoxshardError:
    raise
  except Exception as error:  # skops raises what zipfile, json or NumPy happen to raise.
    raise errors.ConfigError(
      f'The classifier {path!r} cannot be read ({type(error).__name__}). It is damaged, or was '
      'written by another version of scikit-learn or skops. Train again with --overwrite.'
    ) from error
  if not all(hasattr(found, name) for name in ('classes_', 'n_features_in_', 'get_params')):
    raise errors.ConfigError(
      f'The file {path!r} holds a {type(found).__name__}, and no classifier that has learned. '
      'Train again with --overwrite.'
    )
  return found
