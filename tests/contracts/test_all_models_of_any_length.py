"""What every model promises of clips that have lengths of their own.

Apart from the other promises, so that two processes of the suite share the models.
"""

import os
import subprocess
import sys

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from schemas import errors
from tests.contracts import test_all_models as contract
from tests.helpers import tiny_manifest, toy_models
from trainer import models
from trainer.models import model as model_lib


@pytest.mark.parametrize(
  'name', [name for name, one in models.MODELS.items() if one.lengths == model_lib.Lengths.ONE]
)
def test_clips_of_any_length_are_refused_where_the_row_says_one(name):
  with pytest.raises(errors.DatasetError, match='takes clips of one length.*--clip_seconds=1'):
    toy_models.build(name, size=toy_models.shape(name, is_variable=True))


def alone_and_padded(name, rng, num_rows, *, padding):
  """Returns a clip by itself, and in a batch with noise twice as long behind it; model inputs."""
  rest = toy_models.shape(name)[1:]
  clip = rng.normal(size=(1, num_rows, *rest)).astype(np.float32)
  batch = rng.normal(size=(2, num_rows + padding, *rest)).astype(np.float32)
  batch[0, :num_rows] = clip[0]
  batch[0, num_rows:] = 0
  return [clip, np.array([num_rows])], [batch, np.array([num_rows, num_rows + padding])]


def scale(name):
  """How many rows of its own stand for one frame of the tests."""
  return 50 if toy_models.takes(name) == model_lib.Takes.SAMPLES else 1


@pytest.mark.parametrize('name', toy_models.params(contract.ANY_LENGTH))
@hypothesis.settings(max_examples=6)  # Each 0.1 s with VGG16.
@hypothesis.given(
  num_rows=st.integers(1, 90), padding=st.integers(0, 70), seed=st.integers(0, 2**32 - 1)
)
def test_padding_does_not_change_the_logits(name, num_rows, padding, seed):
  times = scale(name)
  alone, padded = alone_and_padded(
    name, np.random.default_rng(seed), num_rows * times, padding=padding * times
  )
  model = contract.any_length(name)
  np.testing.assert_allclose(
    contract.quick_logits_of(model, padded)[:1], contract.quick_logits_of(model, alone), atol=1e-4
  )


@pytest.mark.parametrize('name', toy_models.params(contract.ANY_LENGTH))
def test_what_stands_in_the_padding_is_not_looked_at_and_all_of_a_clip_is(name):
  times = scale(name)
  _, padded = alone_and_padded(name, np.random.default_rng(0), 40 * times, padding=30 * times)
  model = contract.any_length(name)
  expected = contract.quick_logits_of(model, padded)
  padded[0][0, 40 * times :] = 1e3
  np.testing.assert_array_equal(contract.quick_logits_of(model, padded)[0], expected[0])
  # But for a few rows at its end, which no whole pool covers.
  for first, last in ((0, 3), (30, 33), (60, 63)):
    changed = padded[0].copy()
    changed[1, first * times : last * times] += 5
    assert np.abs(contract.quick_logits_of(model, [changed, padded[1]]) - expected)[1].max() > 1e-4


@pytest.mark.parametrize('policy', contract.POLICIES[1:])
@pytest.mark.parametrize('name', toy_models.params(contract.ANY_LENGTH))
def test_clips_of_any_length_under_half_precision(name, policy):
  """A long one does not overflow, and padding does not count."""
  model, length = contract.any_length(name, policy), 600 * scale(name)
  batch = np.full((2, length, *toy_models.shape(name)[1:]), 30, np.float32)
  logits = contract.quick_logits_of(model, [batch, np.array([length, 3])])
  assert tuple(logits.shape) == (2, 3)
  assert logits.dtype == 'float32'
  assert np.isfinite(logits).all()
  assert contract.computes_in(model, name, policy)
  alone = contract.quick_logits_of(model, [batch[1:, :3], np.array([3])])
  np.testing.assert_allclose(logits[1:], alone, atol=0.05 + 0.02 * np.abs(alone).max())


def test_a_waveform_of_any_length_is_refused_with_a_sentence():
  with pytest.raises(errors.DatasetError, match=r"'waveform' is \[any\].*--feature=log_mel"):
    models.build(*models.parse('cnn'), tiny_manifest.of(shape=(None,), name='waveform'))


_OTHERS = tuple(name for name in models.MODELS if name not in toy_models.EVERY_LAYER)


@pytest.mark.parametrize(
  'names',
  [toy_models.EVERY_LAYER, pytest.param(_OTHERS, marks=pytest.mark.one_stack)],
  ids=['every layer', 'others'],
)
def test_saved_models_open_without_this_project_and_give_the_same(names, tmp_path):
  """In another process, which cannot find the project."""
  files, wanted = [], {}
  for name in names:
    model = (contract.any_length if name in contract.ANY_LENGTH else contract.toy)(name)
    batch = [contract.examples(2, toy_models.shape(name))]
    if name in contract.ANY_LENGTH:
      batch.append(np.array([len(batch[0][0]), len(batch[0][0]) // 2]))
    wanted[name] = contract.quick_logits_of(model, batch)
    files.append(str(tmp_path / f'{name}.keras'))
    model.save(files[-1])
    np.savez(tmp_path / f'{name}.npz', *batch)
  script = (
    'import sys, keras, numpy as np, tensorflow as tf\n'
    'for path in sys.argv[1:]:\n'
    '  model = keras.models.load_model(path, compile=False)\n'
    "  stored = np.load(path.replace('.keras', '.npz'))\n"
    '  batch = [tf.cast(stored[k], i.dtype) for k, i in zip(stored.files, model.inputs)]\n'
    '  call = tf.function(lambda *batch: model(batch if len(batch) > 1 else batch[0]))\n'
    "  np.save(path + '.npy', call(*batch))\n"
    "ours = {'trainer', 'features', 'tfrecords', 'schemas'} & set(sys.modules)\n"
    "sys.exit(f'imported {ours}' if ours else 0)\n"
  )
  done = subprocess.run(
    [sys.executable, '-c', script, *files],
    cwd=tmp_path,
    env={**os.environ, 'PYTHONPATH': ''},
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  for path, (name, logits) in zip(files, wanted.items(), strict=True):
    np.testing.assert_allclose(np.load(path + '.npy'), logits, atol=1e-5, err_msg=name)
