"""The decoders of the app, that break at some files as those of strangers do."""

import pathlib
import sys

from tests.trainer.decoders import breaking
from trainer.decoders import decoder_process, file_decoder


def make(settings):
  return {name: broken(work) for name, work in file_decoder.make(settings).items()}


def broken(work):
  def decode(settings, content):
    path = pathlib.Path(settings['path'])
    if path.is_file():
      breaking.break_at(path.read_bytes())
    yield from work(settings, content)

  return decode


if __name__ == '__main__':
  decoder_process.run(make, sys.argv[1:])
