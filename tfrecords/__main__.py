"""Says which programs for finished data sets there are."""

import sys

from schemas import command

PROGRAMS = {
  'describe': 'Shows what is in a data set.',
  'verify': 'Reads a data set whole, and says whether it is as it was written.',
}

if __name__ == '__main__':
  sys.exit(command.list_programs('tfrecords', PROGRAMS))
