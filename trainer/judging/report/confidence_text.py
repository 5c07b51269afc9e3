"""What a report says of probabilities, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pages import words

# Of a data set in which no label stands for all else.
NO_CATCH_ALL = (
  'no label stands for what is none of the others (`unknown`, `silence`): the model answers '
  'everything with one of its labels, unless trainer.predict is given --none_of_these.'
)


def lines(report: Mapping[str, Any]) -> Iterator[str]:
  """Yields how far probabilities are off, and how well what is no label is told; or nothing."""
  if 'calibration' in report:
    yield from _calibration(report['calibration'])
  if 'none_of_these' in report:
    yield from _none_of_these(report['none_of_these'], str(report.get('examples', 'clips')))


def _calibration(found: Mapping[str, Any]) -> Iterator[str]:
  text = f'ECE {words.share(found["ece"])}'
  calibrated = found['calibrated']
  if calibrated:
    on = found['fitted_on']
    here = ', these very clips' if on['is_this_split'] else ''
    text += (
      f', {words.share(calibrated["ece"])} at the temperature {found["temperature"]:.3g} (fitted '
      f'on {on["num_examples"]:,} of {on["split"]}{here}); loss {found["loss"]:.4f}, '
      f'{calibrated["loss"]:.4f} at it'
    )
  yield f'calibration  {text}'
  if found['note']:
    yield f'note: {found["note"]}'


def _none_of_these(found: Mapping[str, Any], noun: str) -> Iterator[str]:
  scores = found['scores']
  if scores:
    shares = ', '.join(
      f'{words.share(one["falsely_rejected"])} by {name}' for name, one in scores.items()
    )
    yield (
      f'none         falsely rejected: {shares}; {words.share(found["false_rejections"])} wanted, '
      f'by thresholds of {found["fitted_on"]["split"]}'
    )
  yield from unknown_lines(found, noun)
  if found['missing_labels']:
    yield f'note: {NO_CATCH_ALL}'


def unknown_lines(found: Mapping[str, Any], noun: str) -> Iterator[str]:
  """Yields how well labels that the model does not know are told from those that it does.

  Args:
    found: What a report says under `none_of_these`.
    noun: What its examples are, in the plural.
  """
  unknown = found['unknown']
  if not unknown:
    return
  count = words.counted(unknown['num_examples'], noun.removesuffix('s'))
  yield f'unknown      {count} of {", ".join(unknown["labels"])}'
  for name, one in unknown['scores'].items():
    rejected = '' if one['rejected'] is None else f'; {words.share(one["rejected"])} rejected'
    yield (
      f'  {name:<10} AUROC {one["auroc"]:.3f}, {words.share(one["false_positive_rate_95"])} '
      f'accepted where 95 % of the known are{rejected}'
    )
