"""The decoders of the server, that break at some files as those of strangers do."""

import sys

from tests.trainer.decoders import breaking
from trainer.decoders import decoder_process
from trainer.serve import upload_decoder

PROGRAM = 'tests.trainer.serve.breaking_uploads'


def make(settings):
  return {name: broken(work) for name, work in upload_decoder.make(settings).items()}


def broken(work):
  def decode(settings, content):
    breaking.break_at(content)
    yield from work(settings, content)

  return decode


if __name__ == '__main__':
  decoder_process.run(make, sys.argv[1:])
