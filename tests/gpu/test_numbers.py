"""What a GPU computes in: half precision, TF32, XLA; and the same numbers again."""

import json

import numpy as np
import pytest

from tests.gpu import devices as devices_lib
from trainer import models
from trainer.devices import half_precision
from trainer.models import model as family

pytestmark = pytest.mark.gpu

LEARNS = {
  'model': 'cnn:conv_layers=1,filters=4,dense_units=16,dropout=0',
  'epochs': 8,
  'batch_size': 16,
  'learning_rate': 0.01,
}


def accuracy(run_dir):
  return devices_lib.history(run_dir)[-1]['validation']['accuracy']


@pytest.mark.parametrize('spread', ['one', 'all'])
@pytest.mark.parametrize('precision', ['float32', 'mixed_float16', 'mixed_bfloat16'])
def test_it_learns_in_every_precision(precision, spread, devices, data_dir, tmp_path):
  more = devices.mirrored(devices.count) if spread == 'all' else {}
  said = devices.train(tmp_path / 'run', data=data_dir, precision=precision, **{**LEARNS, **more})
  count = devices.count if spread == 'all' else 1
  assert f'devices  {devices.names(count)}, ' in said
  assert f', {precision}\n' in said
  assert accuracy(tmp_path / 'run') > 0.9
  stored = devices_lib.weights(tmp_path / 'run').values()
  assert {values.dtype for values in stored} == {np.dtype('float32')}


@pytest.mark.parametrize('spread', ['one', 'all'])
def test_compiled_by_xla_it_learns(spread, devices, data_dir, tmp_path):
  more = devices.mirrored(devices.count) if spread == 'all' else {}
  flags = {**LEARNS, **more, 'jit_compile': True, 'deterministic': False}
  devices.train(tmp_path / 'run', data=data_dir, **flags)
  assert accuracy(tmp_path / 'run') > 0.9


# Models that train in one process: a tenth of the time goes to the training of two steps.
GROUPS = {name: i % 4 for i, name in enumerate(models.MODELS)}


def repeated(precision):
  """Models and precisions as pytest's parameters; those of a group go to one process of xdist."""
  for name, group in GROUPS.items():
    marks = [pytest.mark.xdist_group(f'{precision}-{group}')]
    if not half_precision.repeats(name, precision):
      marks.append(pytest.mark.xfail(reason='cuDNN', strict=False))
    yield pytest.param(name, precision, marks=marks, id=f'{name}-{precision}')


@pytest.fixture(scope='module')
def twice(devices, data_dir, samples_dir, network_file, tmp_path_factory):
  """Returns by (precision, group) a folder with the runs of its models, each trained twice."""
  folders = {}

  def flags(name, precision, run_dir):
    of_frames = family.Takes.FRAMES in models.MODELS[name].takes and name != 'saved_model'
    return {
      'data': data_dir if of_frames else samples_dir,
      'model': f'saved_model:path={network_file}' if name == 'saved_model' else name,
      'augment': 'spec_augment' if of_frames else 'gain',
      'precision': precision, 'epochs': 1, 'batch_size': 22, 'seed': 4, 'run_dir': run_dir,
    }  # fmt: skip

  def trained(precision, group):
    if (precision, group) not in folders:
      folder = folders[precision, group] = tmp_path_factory.mktemp('twice')
      names = [name for name in models.MODELS if GROUPS[name] == group]
      for run in ('first', 'second'):
        (folder / run).mkdir()
        done = devices.train_all(
          folder / run, [flags(name, precision, folder / run / name) for name in names]
        )
        (folder / run / 'said.txt').write_text(done)
    return folders[precision, group]

  return trained


@pytest.mark.parametrize(('name', 'precision'), [*repeated('float32'), *repeated('mixed_bfloat16')])
def test_every_model_gives_the_same_weights_bit_for_bit(name, precision, twice):
  """Also that all it needs has a kernel that repeats itself, which --deterministic wants."""
  folder = twice(precision, GROUPS[name])
  for run in ('first', 'second'):
    assert (folder / run / name / 'outcome.json').exists(), (folder / run / 'said.txt').read_text()
  first, second = (devices_lib.weights(folder / run / name) for run in ('first', 'second'))
  assert first.keys() == second.keys()
  assert first
  for path, values in first.items():
    np.testing.assert_array_equal(values, second[path], err_msg=path)


def test_tf32_is_by_flag(gpus):
  """10 bits of mantissa are right to 5e-4, float32's 23 to 6e-8, and a little less in sums."""
  errors = {}
  for tf32 in (True, False):
    done = gpus.start('tests.gpu.product', tf32=tf32)
    assert done.returncode == 0, done.stderr
    errors[tf32], capability = json.loads(done.stdout)
  if capability < 8:
    pytest.skip('GPUs multiply in TF32 since Ampere (compute capability 8)')
  assert errors[False] < 1e-5
  assert 1e-4 < errors[True] < 1e-2


def test_a_gpu_that_cannot_be_used_is_said(gpus, data_dir, tmp_path, monkeypatch):
  monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '99')  # None has this number.
  said = gpus.train(tmp_path / 'run', data=data_dir, **{**LEARNS, 'epochs': 1})
  assert 'devices  CPU:0, ' in said
  assert 'note: this machine has a GPU (/dev/nvidia' in said
  assert 'that TensorFlow cannot use, so the CPU does everything' in said


def test_a_batch_too_large_for_its_memory_is_said(gpus, data_dir, tmp_path):
  """A part of a GPU has 3 GiB: less than the first layers of VGG16 make of so many examples."""
  done = gpus.start(
    'trainer', run_dir=tmp_path / 'run', data=data_dir, model='vgg16', random_data=True,
    strategy='mirrored', virtual_devices=1, batch_size=16_384, epochs=1,
  )  # fmt: skip
  assert done.returncode == 2
  assert '--batch_size=16384 is too large' in done.stderr
  assert '3.2 GB on a GPU' in done.stderr
  assert 'The largest batch that fits is about' in done.stderr
