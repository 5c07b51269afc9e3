"""What the columns of a corpus's table are called, for both programs that read such tables."""

from collections.abc import Mapping

# Role -> what its column is called where nobody names it; path and label are always named.
USUAL: Mapping[str, tuple[str, ...]] = {
  'path': (),
  'label': (),
  'speaker': ('speaker', 'speaker_id', 'client_id'),
  'split': ('split',),
  'start': ('start', 'start_s', 'start_time', 'offset'),
  'duration': ('duration', 'duration_s'),
  'end': ('end', 'end_s', 'end_time'),
  'id': ('id', 'utterance_id'),
}
