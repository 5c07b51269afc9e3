"""A shard's bytes do not depend on the processor's instructions."""

import hashlib
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import soundfile

import features
from beam_jobs import featurize
from features import augmentations, effects
from schemas import command, medium

ROOT = pathlib.Path(__file__).parent.parent.parent
RATE_HZ = 16_000

# What NumPy, the C library and OpenBLAS choose by the processor, all put to the plainest.
C_LIBRARY = 'glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F'
BLAS = {'x86_64': 'Prescott', 'aarch64': 'ARMV8'}


def numpys_choices():
  """The groups of instructions that NumPy would use here and can do without."""
  umath = pytest.importorskip('numpy._core._multiarray_umath')
  found = [name for name in umath.__cpu_dispatch__ if umath.__cpu_features__.get(name)]
  if not found:
    pytest.skip('NumPy has no choice of instructions on this processor.')
  return ' '.join(found)


@pytest.fixture(scope='module')
def arguments(tmp_path_factory):
  """A job with every kind of feature of audio, effect and augmentation."""
  root = tmp_path_factory.mktemp('corpus')
  rng = np.random.default_rng(0)
  fade = np.linspace(0.0, 1.0, RATE_HZ)
  for suffix, rate_hz in [('wav', 22_050), ('flac', 16_000), ('ogg', 8_000)]:
    tone = np.sin(0.3 * np.arange(RATE_HZ) * (1 + fade))
    sound = 0.3 * fade**3 * (tone + 0.1 * rng.standard_normal(RATE_HZ))
    path = root / 'clips' / 'yes' / f'{suffix}_0.{suffix}'
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound, rate_hz)
  (root / 'noise').mkdir()
  soundfile.write(root / 'noise' / 'n.wav', 0.1 * rng.standard_normal(2 * RATE_HZ), RATE_HZ)
  own = {'background_noise': f'folder={root / "noise"}'}
  of_audio = [name for name, one in features.FEATURES.items() if one.medium == medium.AUDIO]
  return [
    '--source=file_names:pattern={label}/{speaker}_{take}.*',
    f'--input={root / "clips"}', '--test_fraction=0', '--validation_fraction=0',
    '--min_train_shards=1', '--notfds_metadata', '--workers=0', '--augment_copies=1',
    *(f'--feature={name}' for name in of_audio),
    *(f'--effect={name}' for name in effects.EFFECTS),
    *(f'--augment={name}:{own.get(name, "")}'.rstrip(':') for name in augmentations.AUGMENTATIONS),
  ]  # fmt: skip


def digests(folder):
  return {
    path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob('*.tfrecord-*')
  } | {'manifest.json': (folder / 'manifest.json').read_text(encoding='utf-8')}


def test_the_job_gives_the_same_bytes_with_other_instructions(arguments, tmp_path):
  plain = {
    'NPY_DISABLE_CPU_FEATURES': numpys_choices(),
    'GLIBC_TUNABLES': C_LIBRARY,
    'OPENBLAS_CORETYPE': BLAS.get(os.uname().machine, ''),
  }
  assert command.run(featurize.main, [*arguments, f'--output={tmp_path / "here"}']) == 0
  subprocess.run(
    [sys.executable, '-m', 'beam_jobs.featurize', *arguments, f'--output={tmp_path / "plain"}'],
    env={**os.environ, **plain},
    cwd=ROOT,
    check=True,
    capture_output=True,
  )
  assert digests(tmp_path / 'plain') == digests(tmp_path / 'here')
