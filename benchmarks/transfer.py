"""What a pretrained trunk is worth where there are a few clips of a new voice.

  python -m benchmarks.transfer --data=/data/fsdd --output=/data/transfer
  python -m benchmarks.transfer --data=/data/fsdd --output=/data/transfer --voices=theo --seeds=3

--data is the folder of the recordings of the Free Spoken Digit Dataset. Each voice is the new one
once: a model is pretrained on the others; then, per seed, 5 drawn takes of each digit of the new
voice are learned from, once beginning with the pretrained run (--init_from) and once from scratch,
by the same flags otherwise, with the same clips and the same seed, and judged on all other takes of
that voice. Nothing is chosen by these: the number of epochs is fixed, the last one counts.

A line of results.jsonl in --output per pair; the same command goes on where an earlier one was
stopped. The interval is Student's over the differences of the pairs, at 95 %.
"""

import argparse
import contextlib
import csv
import json
import os
import pathlib
import random
import re
import statistics
import sys
from collections.abc import Iterator, Sequence
from typing import Any

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from scipy import stats

from pages import words
from schemas import command, errors

_CLIP = re.compile(r'(?P<digit>\d)_(?P<voice>[^_]+)_(?P<take>\d+)\.wav')
_FEATURE = 'log_mel:window_s=0.04,hop_s=0.02,num_mels=40'
_COMMON = {'compute': _FEATURE, 'clip_seconds': 1.0, 'patience': 0, 'checkpoint_minutes': 0.0}
_VALIDATION_TAKES = 5  # Of the voices that are pretrained on.
_LEAST_VOICES = 2

Clip = tuple[str, str, int, str]  # Digit, voice, take, path.


def clips_of(folder: str) -> list[Clip]:
  """Returns the recordings, sorted.

  Raises:
    ConfigError: if there are none of two voices.
  """
  names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
  found = [
    (
      match['digit'],
      match['voice'],
      int(match['take']),
      os.path.join(os.path.abspath(folder), name),
    )
    for name in names
    if (match := _CLIP.fullmatch(name))
  ]
  if len({voice for _, voice, _, _ in found}) < _LEAST_VOICES:
    raise errors.ConfigError(
      f'--data={folder}: expected recordings of several voices, named such as 7_theo_12.wav, got '
      f'{errors.counted(len(found), "clip")}. python -m beam_jobs.download fsdd fetches them; the '
      'folder `recordings` in it is what is wanted.'
    )
  return found


def few_clips(clips: Sequence[Clip], voice: str, *, takes: int, seed: int) -> dict[Clip, str]:
  """Returns the clips of a voice with their split: so many takes a digit to learn from."""
  draw = random.Random(f'{voice} {seed}')
  mine = [clip for clip in clips if clip[1] == voice]
  learned: set[Clip] = set()
  for digit in sorted({clip[0] for clip in mine}):
    learned |= set(draw.sample([clip for clip in mine if clip[0] == digit], takes))
  return {clip: 'train' if clip in learned else 'test' for clip in mine}


def other_voices(clips: Sequence[Clip], voice: str) -> dict[Clip, str]:
  """Returns the clips of the other voices with their split; a few takes choose the epoch."""
  return {
    clip: 'validation' if clip[2] < _VALIDATION_TAKES else 'train'
    for clip in clips
    if clip[1] != voice
  }


def write_table(path: pathlib.Path, clips: dict[Clip, str]) -> str:
  """Writes a table of clips; returns what --data is to say."""
  path.parent.mkdir(parents=True, exist_ok=True)
  with open(path, 'w', encoding='utf-8', newline='') as stream:
    writer = csv.writer(stream)
    # Without the speaker, who would be kept in one split.
    writer.writerow(['path', 'label', 'split'])
    writer.writerows((file, digit, split) for (digit, _, _, file), split in clips.items())
  return f'table:{path}'


def interval(differences: Sequence[float]) -> tuple[float, float, float]:
  """Returns the mean of paired differences and the bounds of its 95 % interval (Student's)."""
  mean = statistics.fmean(differences)
  if len(differences) < _LEAST_VOICES:
    return mean, float('-inf'), float('inf')
  error = statistics.stdev(differences) / len(differences) ** 0.5
  half = float(stats.t.ppf(0.975, len(differences) - 1)) * error
  return mean, mean - half, mean + half


def table(pairs: Sequence[dict[str, Any]]) -> str:
  """Returns every pair of figures in Markdown, with the interval of each voice and of all."""
  lines = [
    '| new voice | seed: transfer / scratch, % of the other takes | difference | 95 % interval |',
    '|---|---|---|---|',
  ]
  for voice in [*sorted({pair['voice'] for pair in pairs}), '']:
    mine = [pair for pair in pairs if voice in ('', pair['voice'])]
    shown = ', '.join(
      f'{pair["seed"]}: {100 * pair["transfer"]:.1f} / {100 * pair["scratch"]:.1f}' for pair in mine
    )
    mean, low, high = interval([100 * (pair['transfer'] - pair['scratch']) for pair in mine])
    lines.append(
      f'| {voice or "all"} | {shown if voice else errors.counted(len(mine), "pair")} | '
      f'{mean:+.1f} | {low:+.1f} to {high:+.1f} |'
    )
  return '\n'.join(lines)


def train(log: pathlib.Path, **flags: Any) -> None:
  """Trains a run, in this process; what it says goes into a file."""
  import keras

  from trainer import config, run

  keras.backend.clear_session()
  log.parent.mkdir(parents=True, exist_ok=True)
  with open(log, 'a', encoding='utf-8') as stream, contextlib.redirect_stdout(stream):
    run.train(config.TrainConfig(**{**_COMMON, **flags}))


def accuracy(run_dir: pathlib.Path) -> float:
  """Returns what a run came to on the test split."""
  return float(json.loads((run_dir / 'report.json').read_text('utf-8'))['accuracy'])


def missing_pairs(
  args: argparse.Namespace, done: set[tuple[str, int]]
) -> Iterator[tuple[str, int]]:
  """Yields the pairs of voice and seed that are to be done."""
  for voice in args.voices.split(','):
    for seed in range(args.seeds):
      if (voice, seed) not in done:
        yield voice, seed


def compare(
  args: argparse.Namespace, clips: Sequence[Clip], voice: str, seed: int
) -> dict[str, Any]:
  """Trains one pair, and the run that it begins with where that is not there yet."""
  root = args.output / voice
  pretrained = root / 'pretrained'
  data = write_table(root / 'others.csv', other_voices(clips, voice))
  train(
    root / 'log.txt', data=data, run_dir=str(pretrained), model=args.model,
    epochs=args.pretraining_epochs, learning_rate=args.learning_rate, schedule='cosine',
  )  # fmt: skip
  few = few_clips(clips, voice, takes=args.takes, seed=seed)
  data = write_table(root / f'few-{seed}.csv', few)
  same = {
    'data': data,
    'model': args.model,
    'epochs': args.epochs,
    'batch_size': 16,
    'learning_rate': args.learning_rate,
    'schedule': 'cosine',
    'seed': seed,
  }
  found: dict[str, Any] = {'voice': voice, 'seed': seed}
  starts = {'scratch': {}, 'transfer': {'init_from': str(pretrained)}}
  for name, start in starts.items():
    run_dir = root / f'{name}-{seed}'
    train(root / 'log.txt', run_dir=str(run_dir), **same, **start)
    found[name] = accuracy(run_dir)
  return found


def main(argv: Sequence[str]) -> None:
  """Trains the pairs that are not done yet, and prints all."""
  parser = argparse.ArgumentParser(description=(__doc__ or '').partition('\n')[0])
  parser.add_argument('--data', required=True, help='folder of the recordings')
  parser.add_argument('--output', type=pathlib.Path, required=True, help='results and runs')
  parser.add_argument('--voices', default='', help='the new ones, by commas; empty: each once')
  parser.add_argument('--seeds', type=int, default=5, help='pairs of a voice')
  parser.add_argument('--takes', type=int, default=5, help='clips a digit of the new voice')
  parser.add_argument('--model', default='cnn', help='as the trainer takes it')
  parser.add_argument('--learning_rate', type=float, default=0.001, help='of all runs')
  parser.add_argument('--pretraining_epochs', type=int, default=10, help='on the other voices')
  parser.add_argument('--epochs', type=int, default=40, help='on the few clips')
  args = parser.parse_args(argv)
  clips = clips_of(args.data)
  voices = sorted({voice for _, voice, _, _ in clips})
  args.voices = args.voices or ','.join(voices)
  unknown = sorted(set(args.voices.split(',')) - set(voices))
  if unknown:
    raise errors.ConfigError(
      f'--voices: there is no {unknown[0]!r}; there are {", ".join(voices)}.'
    )
  args.output.mkdir(parents=True, exist_ok=True)
  results = args.output / 'results.jsonl'
  settings = {
    name: value for name, value in vars(args).items() if name not in ('output', 'voices', 'seeds')
  }
  lines = results.read_text('utf-8').splitlines() if results.exists() else []
  pairs = [json.loads(line) for line in lines if line.endswith('}')]
  if any(pair['settings'] != settings for pair in pairs):
    raise errors.ConfigError(
      f'--output={args.output} holds pairs of other flags ({pairs[0]["settings"]}). Name another '
      'folder.'
    )
  done = {(pair['voice'], pair['seed']) for pair in pairs}
  for voice, seed in missing_pairs(args, done):
    pair = {**compare(args, clips, voice, seed), 'settings': settings}
    pairs.append(pair)
    with open(results, 'a', encoding='utf-8') as stream:
      stream.write(json.dumps(pair, sort_keys=True) + '\n')
    print(
      f'{voice} {seed}: transfer {words.share(pair["transfer"])}, '
      f'scratch {words.share(pair["scratch"])}',
      flush=True,
    )
  asked = [pair for pair in pairs if pair['voice'] in args.voices.split(',')]
  print(table([pair for pair in asked if pair['seed'] < args.seeds]))


if __name__ == '__main__':
  sys.exit(command.run(main, stopped=command.AGAIN))
