"""Which clips are to be listened to first."""

import numpy as np
import pytest
from scipy import special

from tests.helpers import prediction_files
from trainer.judging.report import wrong_clips


@pytest.mark.parametrize('num_labels', [7, 230])
def test_they_are_the_wrong_ones_of_the_highest_loss(tmp_path, num_labels):
  rng = np.random.default_rng(0)
  labels = [f'label {i}' for i in range(num_labels)]
  logits = rng.normal(size=(300, num_labels)).astype(np.float32) * 3
  truth = rng.integers(0, num_labels, 300)
  logits[100:200] = logits[:100]  # Equals stand in the order of their ids.
  truth[100:200] = truth[:100]
  ids = [f'clip {(i * 7) % 300:03d}' for i in range(300)]
  reader = prediction_files.write(
    tmp_path / 'p.parquet', labels, truth, logits, ids=ids, batch_size=37
  )
  found = wrong_clips.worst(reader, limit=25)
  losses = special.logsumexp(logits.astype(float), axis=1) - logits[np.arange(300), truth]
  wrong = np.flatnonzero(logits.argmax(axis=1) != truth)
  expected = sorted(wrong, key=lambda i: (-losses[i], ids[i]))[:25]
  # Equal but for the last bits, which differ between files with and without all logits.
  assert [round(one.loss, 4) for one in found] == [round(losses[i], 4) for i in expected]
  assert {one.clip_id for one in found[:24]} >= {ids[i] for i in expected[:22]}
  first, i = found[0], ids.index(found[0].clip_id)
  shares = special.softmax(logits[i].astype(float))
  assert first.label == labels[truth[i]]
  assert first.label_probability == pytest.approx(shares[truth[i]], rel=1e-4)
  assert [name for name, _ in first.top] == [labels[k] for k in np.argsort(-shares)[:5]]
  assert [share for _, share in first.top] == pytest.approx(sorted(shares)[::-1][:5], rel=1e-4)


def test_of_a_perfect_model_there_is_none(tmp_path):
  reader = prediction_files.write(tmp_path / 'p.parquet', ['a', 'b'], [0, 1], np.eye(2))
  assert wrong_clips.worst(reader) == []
