"""What a run kept of an earlier one and what it made anew, in one sentence for the summary."""

import collections
from collections.abc import Sequence
from typing import Any, Protocol

from pages import words
from tfrecords.finishing import shard_result

# Of the notes: how the shards of the last run came to be.
FILE = 'taken_over.json'
_REASONS = {
  shard_result.OTHER: 'because other clips are listed for {them}',
  shard_result.OTHER_MODEL: 'because the model is another one',
  shard_result.DAMAGED: 'because {they_were} not whole any more',
  shard_result.RETRIED: 'because files may be readable now that were not',
}


class Made(Protocol):
  """How a shard came to be; see shard_result.ShardResult."""

  @property
  def how(self) -> str:
    """How it came to be in this run."""

  @property
  def changed_files(self) -> int:
    """Files for whose sake it was made anew."""


def to_json(results: Sequence[Made]) -> dict[str, Any]:
  """Returns how many shards came to be in which way, for a note."""
  counts = collections.Counter(result.how for result in results)
  return {'shards': dict(sorted(counts.items())), 'files': sum(r.changed_files for r in results)}


def sentence(note: Any) -> str:
  """Returns what `to_json` says, as a sentence; '' where there was no earlier run, or no note."""
  try:
    counts = {str(how): int(count) for how, count in note['shards'].items()}
    num_files = int(note['files'])
  except (KeyError, TypeError, ValueError, AttributeError):
    return ''
  kept, total = counts.pop(shard_result.KEPT, 0), sum(counts.values())
  new = counts.pop(shard_result.NEW, 0)
  total += kept
  if not kept and not counts:
    return ''
  if kept == total:
    one = 'the only shard was' if total == 1 else f'all {total:,} shards were'
    return f'{one} whole and {"is" if total == 1 else "are"} kept'
  parts = [f'{kept:,} of {words.counted(total, "shard")} {_were(kept)} whole and {_are(kept)} kept']
  if new:
    parts.append(f'{new:,} {_are(new)} new')
  for how, count in counts.items():
    because = _because(how, count, num_files)
    parts.append(f'{count:,} {_were(count)} made anew {because}')
  return '; '.join(parts)


def _because(how: str, count: int, num_files: int) -> str:
  if how == shard_result.CHANGED:
    return f'because {words.counted(num_files, "file")} changed'
  return _REASONS.get(how, '').format(
    them='it' if count == 1 else 'them', they_were='it was' if count == 1 else 'they were'
  )


def _were(count: int) -> str:
  return 'was' if count == 1 else 'were'


def _are(count: int) -> str:
  return 'is' if count == 1 else 'are'
