"""Small corpora of real files for the tests of the data job."""

import pathlib

import numpy as np
import soundfile

WORDS = ('no', 'yes')
SPEAKERS = ('ann', 'bob', 'cyd', 'dan', 'eve', 'fay')


def write_wav(path: pathlib.Path, *, seconds: float = 0.4, rate_hz: int = 8_000, seed: int = 0):
  """Writes a tone with noise."""
  path.parent.mkdir(parents=True, exist_ok=True)
  rng = np.random.default_rng(seed)
  time_s = np.arange(int(seconds * rate_hz)) / rate_hz
  tone = 0.3 * np.sin(2 * np.pi * (200 + 40 * seed) * time_s)
  soundfile.write(path, tone + 0.01 * rng.standard_normal(len(time_s)), rate_hz, subtype='PCM_16')


def make_words(root: pathlib.Path, *, takes: int = 4) -> pathlib.Path:
  """Writes `<word>/<speaker>_<take>.wav` and returns the root."""
  for i, speaker in enumerate(SPEAKERS):
    for j, word in enumerate(WORDS):
      for take in range(takes):
        write_wav(root / word / f'{speaker}_{take}.wav', seed=i + 10 * j + 100 * take)
  return root


def argv(root: pathlib.Path, output: pathlib.Path, *more: str) -> list[str]:
  """The command line that featurizes what make_words wrote, in process."""
  return [
    '--source=file_names:pattern={label}/{speaker}_{take}.wav', f'--input={root}',
    f'--output={output}', '--sample_rate_hz=8000', '--clip_seconds=0.5', '--notfds_metadata',
    '--feature=log_mel:num_mels=20', '--workers=0', *more,
  ]  # fmt: skip
