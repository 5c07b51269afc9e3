"""One reference to one clip: what the data job shuffles instead of audio."""

import dataclasses

from schemas import errors, splits


@dataclasses.dataclass(frozen=True, kw_only=True)
class Utterance:
  """Where a clip is and what is known of it before it is opened.

  Attributes:
    utterance_id: Unique in its corpus and the same wherever the corpus lies: the path relative
      to the corpus's folder, with `/` between folders.
    speaker_id: Who speaks. A speaker is never in two splits (unless the user splits by another
      field).
    label: What is to be learned, as text.
    uri: The file, as Beam's filesystems name it (`/data/a.wav`, `gs://bucket/a.wav`).
    split: The corpus's official split, or '' where it has none.
    fields: Further (name, value) pairs, sorted by name, such as (('take', '3'),). Split rules and
      reports may use them.
  """

  utterance_id: str
  speaker_id: str
  label: str
  uri: str
  split: str = ''
  fields: tuple[tuple[str, str], ...] = ()

  def __post_init__(self) -> None:
    for name in ('utterance_id', 'speaker_id', 'label', 'uri'):
      if not getattr(self, name):
        raise errors.SchemaError(f'Utterance {self.utterance_id!r} ({self.uri}) has no {name}.')
    if self.split and self.split not in splits.SPLITS:
      raise errors.SchemaError(
        f'Utterance {self.utterance_id!r}: split must be one of {", ".join(splits.SPLITS)}, '
        f'got {self.split!r}.'
      )

  def field(self, name: str) -> str | None:
    """Returns `speaker`, `label`, or a further field by its name; None where it has none."""
    if name == 'speaker':
      return self.speaker_id
    if name == 'label':
      return self.label
    return dict(self.fields).get(name)
