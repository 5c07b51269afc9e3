"""Says which programs of the data job there are."""

import sys

from schemas import command

PROGRAMS = {
  'download': 'Fetches a corpus to a folder.',
  'featurize': 'Turns raw audio, or pictures, into a data set.',
  'predict': 'Asks a trained model about every clip of a corpus.',
  'explore': 'Shows a corpus or a data set as one page.',
}

if __name__ == '__main__':
  sys.exit(command.list_programs('beam_jobs', PROGRAMS))
