"""How well a recording was heard: recall and false alarms an hour, against a table of times.

As TensorFlow's test_streaming_accuracy of its example of speech commands (Warden 2018), and Google
Research's kws_streaming after it (Rybakov et al., "Streaming Keyword Spotting on Mobile Devices",
2020), a detection is right where the same label was said at about that time, and each that was said
is found once.

Deviations: there the tolerance (1.5 s by default) is around the beginning of a word; here a
detection may come from `tolerance_s` before the beginning to `tolerance_s` after the end. There,
one of another label near a word is counted apart (`wrong`); here it is a false alarm, and the word
is missed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from trainer.listen import true_times

_HOUR_S = 3600.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Count:
  """What was heard of one label, or of all.

  Attributes:
    num_true: How often it was said.
    num_found: How many of these were detected.
    num_false: Detections that were no such.
    heard_s: How long the recording is, in seconds.
  """

  num_true: int
  num_found: int
  num_false: int
  heard_s: float

  @property
  def recall(self) -> float | None:
    """The share that was found; None where it was never said."""
    return self.num_found / self.num_true if self.num_true else None

  @property
  def false_an_hour(self) -> float:
    """False alarms an hour."""
    return self.num_false * _HOUR_S / self.heard_s if self.heard_s else 0.0

  def to_json(self) -> dict[str, object]:
    """Returns plain JSON."""
    recall = self.recall
    return {
      'said': self.num_true,
      'found': self.num_found,
      'recall': None if recall is None else round(recall, 6),
      'false_alarms': self.num_false,
      'false_alarms_an_hour': round(self.false_an_hour, 6),
    }


def count(
  detections: Iterable[tuple[float, str]],
  events: Sequence[true_times.Event],
  *,
  heard_s: float,
  tolerance_s: float,
) -> dict[str, Count]:
  """Returns the counts by label, those of all under ''.

  Each detection, in the order of time, finds the event of its label that ends first, of those which
  it may find and no other has: that leaves the most for the later ones.

  Args:
    detections: Time in seconds and label, in the order of time.
    events: What was said, in the order of ends.
    heard_s: How long the recording is.
    tolerance_s: How far a detection may be from an event.
  """
  left: dict[str, list[true_times.Event]] = {}
  for event in events:
    left.setdefault(event.label, []).append(event)
  said = {label: len(of_label) for label, of_label in left.items()}
  found: dict[str, int] = {}
  false: dict[str, int] = {}
  for time_s, label in detections:
    waiting = left.get(label, [])
    while waiting and waiting[0].end_s + tolerance_s < time_s:
      waiting.pop(0)  # Missed.
    place = next((i for i, x in enumerate(waiting) if x.start_s - tolerance_s <= time_s), None)
    if place is None:
      false[label] = false.get(label, 0) + 1
    else:
      waiting.pop(place)
      found[label] = found.get(label, 0) + 1
  counts = {
    label: Count(
      num_true=said.get(label, 0),
      num_found=found.get(label, 0),
      num_false=false.get(label, 0),
      heard_s=heard_s,
    )
    for label in sorted({*said, *false})
  }
  whole = Count(
    num_true=sum(said.values()),
    num_found=sum(found.values()),
    num_false=sum(false.values()),
    heard_s=heard_s,
  )
  return {'': whole, **counts}
