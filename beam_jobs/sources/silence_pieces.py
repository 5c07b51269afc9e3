"""Pieces of long recordings of noise: what a corpus gives for the label `silence`.

Each recording is divided once and for all: its first 80 % are for train, the next 10 % for
validation, the last 10 % for the test. So no piece of noise is in two splits, however many are
cut; within their part, pieces may overlap.
"""

import posixpath
from collections.abc import Iterator, Mapping, Sequence

from beam_jobs.sources import corpus as corpus_lib
from schemas import splits, stable_hash, utterance

_WINDOWS = {
  splits.TRAIN: (0.0, 0.8),
  splits.VALIDATION: (0.8, 0.9),
  splits.TEST: (0.9, 1.0),
  '': (0.0, 1.0),  # No official split: then the job keeps each recording in one.
}
# From hardly heard to as loud as it was recorded.
_GAIN_DB = (-30.0, 0.0)


def pieces(
  corpus: corpus_lib.Corpus,
  recordings: Sequence[str],
  numbers: Mapping[str, int],
  *,
  label: str,
  duration_s: float,
  seed: int,
) -> Iterator[utterance.Utterance]:
  """Yields excerpts of the recordings in turn, sorted by id.

  Position and level come from a hash of the piece's id and the seed. The id is the recording with
  the split and a number, `_background_noise_/running_tap.wav#train-0007`; the speaker is the
  recording's part, `_background_noise_/running_tap-train`.

  Args:
    corpus: Where the recordings are.
    recordings: Their paths; at least one.
    numbers: Pieces by split.
    label: Of all pieces.
    duration_s: Length of a piece. A part of a recording that is shorter gives what it has.
    seed: Another seed cuts elsewhere.
  """
  quietest, loudest = _GAIN_DB
  for i, recording in enumerate(sorted(recordings)):
    for split, number in sorted(numbers.items()):
      part = f'-{split}' if split else ''
      start, end = _WINDOWS[split]
      for j in range(len(range(i, number, len(recordings)))):
        utterance_id = f'{recording}#{split or "piece"}-{j:06d}'
        loudness = stable_hash.unit_interval(utterance_id, salt=f'gain{seed}')
        yield utterance.Utterance(
          utterance_id=utterance_id,
          speaker_id=f'{posixpath.splitext(recording)[0]}{part}',
          label=label,
          uri=corpus.uri(recording),
          split=split,
          fields=(('take', str(j)), ('word', label)),
          excerpt=utterance.Excerpt(
            duration_s=duration_s,
            window_start=start,
            window_end=end,
            position=stable_hash.unit_interval(utterance_id, salt=f'position{seed}'),
            gain_db=round(quietest + (loudest - quietest) * loudness, 2),
          ),
        )
