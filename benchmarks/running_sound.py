"""Makes running sound of a corpus's test clips, and the table of what is said in it when.

  python -m benchmarks.running_sound --corpus=demo/corpus --output=demo/sound

For `python -m trainer.listen --input=demo/sound.flac --truth=demo/sound.csv`. The corpus has the
layout of Speech Commands, with testing_list.txt and validation_list.txt: the voices in them are
those that a model trained on the rest never heard. Each clip of a list is said once, in any order,
also those of words that a model knows as `unknown`, with a pause behind it. Under all of it is
noise, another one every half a minute, of a part of the corpus's recordings that training never
takes. The same seed gives the same bytes.
"""

import argparse
import csv
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np
import soundfile

from schemas import utterance

# The lists of held-out voices, and which tenth of each noise goes with them: the first eight are of
# the training.
TENTHS = {'validation_list.txt': 8, 'testing_list.txt': 9}
# Between the sound of two words, in seconds.
PAUSE_S = (0.4, 2.5)
# Root mean square of the noise, in dB of full scale: from a quiet room to a loud one. The words of
# the demo have about -20.
NOISE_DB = (-60.0, -35.0)
NOISE_S = 30.0
# A clip's own silence, which is no part of the word: so far below its loudest sample.
SOUND_DB = -35.0


def said(listed: pathlib.Path, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray, int]]:
  """Yields (label, samples without the silence around them, rate) of the clips of a list."""
  names = listed.read_text(encoding='utf-8').split()
  for i in rng.permutation(len(names)):
    samples, rate_hz = soundfile.read(listed.parent / names[i], dtype='float32')
    loud = np.flatnonzero(np.abs(samples) >= np.abs(samples).max() * 10 ** (SOUND_DB / 20))
    yield names[i].partition('/')[0], samples[loud[0] : loud[-1] + 1], rate_hz


def noises(root: pathlib.Path, tenth: int) -> list[np.ndarray]:
  """Returns a tenth of each recording of noise, at a root mean square of 1."""
  found = []
  for path in sorted((root / utterance.NOISE_FOLDER).glob('*.wav')):
    samples, _ = soundfile.read(path, dtype='float32')
    part = np.array_split(samples, 10)[tenth]
    found.append(part / np.sqrt(np.mean(np.square(part))))
  return found


def background(
  recordings: Sequence[np.ndarray], num_samples: int, rate_hz: int, rng: np.random.Generator
) -> np.ndarray:
  """Returns noise of so many samples."""
  size = round(NOISE_S * rate_hz)
  parts = []
  for start in range(0, num_samples, size):
    noise = recordings[(start // size) % len(recordings)]
    level = 10 ** (rng.uniform(*NOISE_DB) / 20)
    parts.append(level * np.resize(np.roll(noise, rng.integers(len(noise))), size))
  return np.concatenate(parts)[:num_samples]


def main(arguments: Sequence[str] | None = None) -> None:
  """Writes OUTPUT.flac and OUTPUT.csv."""
  parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
  parser.add_argument('--corpus', type=pathlib.Path, default=pathlib.Path('demo/corpus'))
  parser.add_argument('--output', type=pathlib.Path, default=pathlib.Path('demo/sound'))
  parser.add_argument('--list', choices=TENTHS, default='testing_list.txt')
  parser.add_argument('--seed', type=int, default=0)
  args = parser.parse_args(arguments)
  rng = np.random.default_rng(args.seed)
  parts, rows, at = [], [], 0
  for label, samples, rate_hz in said(args.corpus / args.list, rng):
    pause = np.zeros(round(rng.uniform(*PAUSE_S) * rate_hz), np.float32)
    at += len(pause)
    rows.append([f'{at / rate_hz:.3f}', f'{(at + len(samples)) / rate_hz:.3f}', label])
    parts += [pause, samples]
    at += len(samples)
  sound = np.concatenate([*parts, np.zeros(2 * rate_hz, np.float32)])
  sound += background(noises(args.corpus, TENTHS[args.list]), len(sound), rate_hz, rng)
  sound = np.clip(sound, -1, 1)
  soundfile.write(args.output.with_suffix('.flac'), sound, rate_hz, subtype='PCM_16')
  with open(args.output.with_suffix('.csv'), 'w', encoding='utf-8', newline='') as stream:
    csv.writer(stream, lineterminator='\n').writerows([['start_s', 'end_s', 'label'], *rows])
  print(f'{len(rows):,} words in {len(sound) / rate_hz / 60:.1f} min')


if __name__ == '__main__':
  main()
