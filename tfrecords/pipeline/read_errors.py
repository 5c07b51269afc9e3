"""What TensorFlow says of damaged data, as sentences. Imports TensorFlow: for the trainer only."""

import contextlib
import re
from collections.abc import Iterator

import tensorflow as tf

from schemas import errors
from tfrecords.pipeline import parsing

# What TensorFlow writes around an error, and what tells that an error is about our records.
_NOISE = re.compile(
  r'\{\{function_node .*?\}\}|Error in user-defined function .*? \w*Iterator::\S+: |\[Op:\w+\].*',
  re.DOTALL,
)
_OUR_CHECK = re.compile(rf'assertion failed: \[(.*?{parsing.AS_THE_MANIFEST_SAYS})\]')
_ABOUT_RECORDS = re.compile(
  rf'{parsing.AS_THE_MANIFEST_SAYS}|Could not parse example|is required but could not be found|'
  r'\.tfrecord-\d+-of-\d+'
)


@contextlib.contextmanager
def readable_errors(data_dir: str) -> Iterator[None]:
  """Turns TensorFlow's errors about damaged data into a sentence; other errors pass.

  Batches are read when they are iterated over, so the loop over them goes inside.

  Raises:
    DatasetError: for a damaged, missing or foreign record in the shards of `data_dir`.
  """
  try:
    yield
  except (
    tf.errors.DataLossError,
    tf.errors.NotFoundError,
    tf.errors.InvalidArgumentError,
  ) as error:
    text = _NOISE.sub('', str(error.message)).strip()
    if not isinstance(error, tf.errors.DataLossError) and not _ABOUT_RECORDS.search(text):
      raise
    raise errors.DatasetError(
      f'Could not read the records in {data_dir!r}: {_sentence(text)} '
      f'Run `python -m tfrecords.verify {data_dir}` to see what is damaged.'
    ) from error


def _sentence(text: str) -> str:
  """Returns what went wrong, out of a message of TensorFlow without its noise."""
  check = _OUR_CHECK.search(text)  # It is followed by the values that failed it.
  if check:
    return check[1].replace("\\'", "'")
  # Above it stand stack traces of the graph, below it nodes in double brackets.
  lines = [line.strip() for line in text.splitlines()]
  said = [line for line in lines if line and not line.startswith('[[')]
  line = said[-1] if said else 'a record is damaged'
  return line if line.endswith('.') else f'{line}.'
