"""Fetches a corpus to a folder: checked, unpacked safely, whole or not at all.

  python -m beam_jobs.download speech_commands:version=0.02 --output=/data/speech_commands
  python -m beam_jobs.download fsdd --output=/data/fsdd

A connection that is cut is taken up where it was cut, also by the same command the next day. A
corpus that is there is kept. At the end it says what to type next.
"""

import dataclasses
import os
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from beam_jobs import downloading
from beam_jobs.downloading import getting, showing
from schemas import command, errors, options
from tfrecords import command_line, storage


@dataclasses.dataclass(frozen=True, kw_only=True)
class DownloadConfig:
  """One field per flag, and the corpora that were named."""

  output: str = command_line.flag('', 'Folder that becomes the corpus.', is_path=True)
  mirror: str = command_line.flag(
    '', 'Address of a folder that has the same archive, instead of where its makers keep it.'
  )
  sha256: str = command_line.flag(
    '',
    'Digest that the archive must have; empty: the published one, where there is one; '
    f'{getting.ANY}: whatever it is.',
  )
  corpora: tuple[str, ...] = ()

  def __post_init__(self) -> None:
    command_line.check(self)
    if len(self.corpora) != 1:
      raise errors.ConfigError(
        f'Expected one corpus, got {", ".join(self.corpora) or "none"}. There are '
        f'{", ".join(downloading.CORPORA)}; write `python -m beam_jobs.download fsdd --output=DIR`.'
      )
    if not self.output:
      raise errors.ConfigError('Name the folder that becomes the corpus with --output=DIR.')
    if '://' in self.output:
      raise errors.ConfigError(
        f'--output={self.output!r}: a corpus is unpacked on a disk of this machine. Name a folder '
        'there, and copy it to the bucket.'
      )
    if self.mirror and not storage.is_web(self.mirror):
      raise errors.ConfigError(
        '--mirror must be the address of a folder, such as https://host/corpora, got '
        f'{self.mirror!r}.'
      )


def main(arguments: Sequence[str]) -> None:
  """Fetches the corpus that the arguments name, and prints what to type next."""
  config = command_line.parse(
    DownloadConfig, arguments, description=_description(), files='corpora'
  )
  if config is None:
    return
  name, settings = downloading.parse(config.corpora[0])
  corpus = downloading.CORPORA[name]
  folder = os.path.abspath(config.output)
  next_command = _command(corpus.featurize(folder, settings), folder)
  if corpus.archive is None:
    steps = corpus.by_hand.format(folder=shlex.quote(folder))
    raise errors.ConfigError(f'{name} has to be fetched by hand. {steps} Next:\n  {next_command}')
  archive = corpus.archive(settings)
  with showing.showing() as report:
    got = getting.get(
      _option(name, settings), archive, folder,
      mirror=config.mirror, sha256=config.sha256.lower(), report=report,
    )  # fmt: skip
  print('\n'.join((*_lines(got, folder), 'Next:', f'  {next_command}')))


def _option(name: str, settings: Any) -> str:
  """Returns the corpus with all of its settings: defaults may be others one day."""
  values = dataclasses.asdict(settings).items()
  return ':'.join(filter(None, (name, ','.join(f'{key}={value}' for key, value in values))))


def _lines(got: getting.Got, folder: str) -> list[str]:
  """Returns what is to be said of a corpus that is there."""
  there = 'there already, and kept' if got.was_there else 'there'
  lines = [f'{folder} is {there}: {got.num_files:,} files, {got.num_bytes:,} bytes.']
  if got.is_published:
    lines.append(f'The SHA-256 of its archive is the published one, {got.sha256}.')
  else:
    lines.append(
      f'Its archive has the SHA-256 {got.sha256}, and was compared with no published one. '
      f'--sha256={got.sha256} holds a later download to it.'
    )
  if got.left_out:
    lines.append(f'Links in the archive were left out: {", ".join(got.left_out[:5])}.')
  return lines


def _command(arguments: Sequence[str], folder: str) -> str:
  words = [*arguments, f'--output={folder}_features']
  return f'python -m beam_jobs.featurize {shlex.join(words)}'


def _description() -> str:
  lines = []
  for name, corpus in downloading.CORPORA.items():
    lines.append(f'  {name:<24} {corpus.what}')
    settings = options.defaults(corpus.settings)
    lines += [f'{"":<26} settings: {settings}'] if settings else []
  return '\n'.join([(__doc__ or '').strip(), '', 'Corpora, NAME:KEY=VALUE,...:', *lines])


def run() -> int:
  """Entry point of the command voxshard-download."""
  return command.run(main, stopped='run the same command again, what has come is kept.')


if __name__ == '__main__':
  sys.exit(run())
