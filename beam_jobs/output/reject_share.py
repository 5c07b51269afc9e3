"""When so much of a corpus is bad that a job does not finish."""

import fractions
from collections.abc import Mapping

from pages import words
from schemas import naming, rejects


def too_many(
  reasons: Mapping[str, int],
  *,
  num_bad_entries: int,
  num_listed: int,
  num_read: int,
  most: float,
  unfinished: str,
  output: str,
) -> str:
  """Returns the sentences of a job with too many rejects, whatever share is taken; '' of others.

  What the listing rejects is a share of all that it lists, what turns out to be bad when it is
  opened a share of what is opened. Where all is taken, they add up to the rejects among all.

  Args:
    reasons: Rejects by reason.
    num_bad_entries: Those of the listing.
    num_listed: All entries of the listing.
    num_read: Clips that are taken, and so were opened.
    most: What --max_reject_fraction says.
    unfinished: What is not finished, as a clause.
    output: Where the rejects are listed.
  """
  num_rejects = sum(reasons.values())
  num_opened_bad = num_rejects - num_bad_entries
  # As fractions: 5 of 100 are not more than 0.05.
  listing_share = fractions.Fraction(num_bad_entries, max(1, num_listed))
  opened_share = fractions.Fraction(num_opened_bad, max(1, num_read))
  share = listing_share + (1 - listing_share) * opened_share
  if share <= fractions.Fraction(str(most)):
    return ''
  if num_listed == num_read + num_bad_entries:
    said = f'{num_rejects:,} of {words.counted(num_listed, "clip", "was", "were")} rejected'
  else:
    said = (
      f'{num_bad_entries:,} of {num_listed:,} entries of the corpus and {num_opened_bad:,} of '
      f'{words.counted(num_read, "clip")} that were taken of it were rejected'
    )
  table = '\n'.join(
    f'  {count:>8}  {reason:<14} {rejects.ADVICE[reason]}' for reason, count in reasons.items()
  )
  return (
    f'{said}, more than --max_reject_fraction={most} allows, so {unfinished}:\n{table}\nEvery file '
    f'is listed in {naming.REJECTS} in {output!r}. Repair them or raise --max_reject_fraction, and '
    'run the same command again: whole shards are kept.'
  )
