"""Splits with too few voices for figures on them to say how a model does on a new one."""

from collections.abc import Collection, Iterator, Mapping

from beam_jobs.planning import voice_counts
from schemas import errors, splits

# Up to so many voices each is a fold of its own.
_FEW_FOLDS = 5


def warnings(
  voices: Mapping[str, voice_counts.Voices], named: Collection[str] = ()
) -> Iterator[str]:
  """Yields what is said of splits with one voice or none.

  Args:
    voices: By split; those of splits without clips are left out.
    named: Splits whose voices --split_by names: somebody wants them so.
  """
  total = sum(found.count for found in voices.values())
  if total == 1 and not any(found.num_noises for found in voices.values()):
    (name,) = (found.first for found in voices.values() if found.count)
    yield (
      f'All clips are of one voice ({name}): nothing here can say how a model does on another. '
      'Add recordings of other people. What it does on new clips of this voice is said by '
      '--split_by=clip.'
    )
    return
  for split in splits.SPLITS:
    found = voices.get(split)
    if found is not None and not found.count:
      noises = errors.counted(found.num_noises, 'recording')
      yield (
        f'The {split} split has no voice: all its clips are cut from {noises} of noise, so '
        f'{_nothing(split)}. {_remedy(split, total)}'
      )
  few = [split for split in splits.SPLITS if split in voices and voices[split].count == 1]
  few = [split for split in few if split not in named]
  if few:
    names = ', '.join(f'{split}: {voices[split].first}' for split in few)
    have = errors.counted(len(few), 'split', 'has', 'have')
    yield (
      f'{have} one voice ({names}), which may be an easy or a hard one: what is found on one says '
      f'little of others. {_remedy(few[-1], total)}'
    )


def _nothing(split: str) -> str:
  if split == splits.TRAIN:
    return 'no voice is learned from'
  return 'figures on it say nothing of voices'


def _remedy(split: str, total: int) -> str:
  if split == splits.TRAIN:
    return (
      'Leave it more, with a smaller --validation_fraction and --test_fraction, or name the voices '
      'of the others with --split_by=speaker:validation=NAME,test=NAME.'
    )
  folds = 'all' if total <= _FEW_FOLDS else _FEW_FOLDS
  each = (
    f', or let every voice judge once: `python -m trainer --data=FOLDER --folds=speaker:{folds}`'
    if total > 1
    else ''
  )
  if total < len(splits.SPLITS):
    return f'Add recordings of other people{each}.'
  return f'Name its voices, with --split_by=speaker:{split}=NAME+NAME{each}.'
