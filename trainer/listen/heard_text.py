"""What a person reads: how it is listened, each detection, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from exports import answer_rows
from pages import text_table, words
from schemas import errors
from trainer.listen import detection_figures, listen_config, listener, triggers

_MOST_LABELS = 20
_WAYS = {
  'state': 'each frame once, with a state that goes on',
  'ring': 'the feature of each frame once',
  'windows': 'each window as a whole',
}


def clock(time_s: float) -> str:
  """Returns such as `0:02.50` or `1:02:03.04`."""
  hundredths = round(100 * time_s)
  seconds, hundredths = divmod(hundredths, 100)
  minutes, seconds = divmod(seconds, 60)
  hours, minutes = divmod(minutes, 60)
  whole = f'{hours}:{minutes:02}:{seconds:02}' if hours else f'{minutes}:{seconds:02}'
  return f'{whole}.{hundredths:02}'


def beginning(model: listener.Model, config: listen_config.ListenConfig) -> Iterator[str]:
  """Yields lines on what listens to what, and when it detects something."""
  rate_hz = model.audio.sample_rate_hz
  kind, _, file = model.how.partition(' by ')
  names = sorted(listen_config.detected_labels(model.labels, config.labels))
  mean = f'mean over {config.smoothing_s:g} s' if config.smoothing_s else 'probability'
  then = f'; then none for {config.refractory_s:g} s' if config.refractory_s else ''
  yield f'model    {answer_rows.visible(config.path)}'
  yield f'sound    {answer_rows.visible(config.name)}, heard at {rate_hz:,} Hz'
  yield (
    f'window   {model.window_samples / rate_hz:g} s, another one every '
    f'{model.hop_samples / rate_hz:g} s'
  )
  yield f'way      {kind}: {_WAYS.get(kind, kind)}{f", by {file}" if file else ""}'
  yield f'detects  a label whose {mean} is at least {100 * config.threshold:g} %{then}'
  yield f'labels   {errors.some(list(map(answer_rows.visible, names)), _MOST_LABELS)}'


def detections(rows: Iterable[answer_rows.Row], columns: answer_rows.Columns) -> Iterator[str]:
  """Yields a line for each detection: its window, how sure it is, its label."""
  for row in rows:
    [(label, probability)] = columns.best(row)
    yield (
      f'{clock(row.start_s or 0.0)} to {clock(row.end_s or 0.0)}  '
      f'{words.share(probability):>7}  {answer_rows.visible(label)}'
    )


def ending(
  found: Sequence[triggers.Detection],
  nearest: triggers.Detection | None,
  *,
  labels: Sequence[str],
  heard_s: float,
  num_windows: int,
) -> Iterator[str]:
  """Yields lines on how much was heard, and what was detected how often.

  Args:
    found: The detections.
    nearest: What came nearest to be one; None where nothing was asked about.
    labels: Names, by their numbers.
    heard_s: How much was heard.
    num_windows: How often the model was asked.
  """
  yield f'heard    {clock(heard_s)} in {words.counted(num_windows, "window")}'
  counts: dict[str, int] = {}
  for one in found:
    counts[labels[one.label]] = counts.get(labels[one.label], 0) + 1
  said = ', '.join(f'{answer_rows.visible(name)} {counts[name]:,}' for name in sorted(counts))
  if found:
    yield f'found    {words.counted(len(found), "detection")}: {said}'
  elif nearest is None:
    yield 'found    nothing'
  else:
    yield (
      f'found    nothing; nearest was {answer_rows.visible(labels[nearest.label])} at '
      f'{clock(nearest.time_s)}, with {words.share(nearest.probability)}'
    )


def figures(
  counts: Mapping[str, detection_figures.Count],
  over: Mapping[float, detection_figures.Count],
  config: listen_config.ListenConfig,
) -> Iterator[str]:
  """Yields what came of it against a table of times: a sentence, labels, thresholds.

  Args:
    counts: By label, those of all under ''.
    over: Of all, by threshold.
    config: The flags.
  """
  whole = counts['']
  recall = '' if whole.recall is None else f'{words.share(whole.recall)}: '
  yield (
    f'truth    {answer_rows.visible(config.truth)}: a detection may come {config.tolerance_s:g} s '
    'before the beginning to as long after the end'
  )
  yield (f'recall   {recall}{whole.num_found:,} of {whole.num_true:,} that were said were found')
  yield (f'false    {words.counted(whole.num_false, "alarm")}, {whole.false_an_hour:.1f} an hour')
  head = ['said', 'found', 'recall', 'false alarms', 'an hour']
  table = [['label', *head]]
  table += [[answer_rows.visible(label) or 'all', *_cells(one)] for label, one in counts.items()]
  yield f'\n{text_table.lay_out(table)}'
  table = [['threshold', *head], *([f'{key:g}', *_cells(one)] for key, one in over.items())]
  yield f'\n{text_table.lay_out(table, texts=())}'


def _cells(count: detection_figures.Count) -> list[str]:
  recall = '–' if count.recall is None else words.share(count.recall)
  return [
    words.number(count.num_true), words.number(count.num_found), recall,
    words.number(count.num_false), f'{count.false_an_hour:.1f}',
  ]  # fmt: skip
