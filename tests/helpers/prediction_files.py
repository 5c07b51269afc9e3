"""Files of predictions that no model made."""

import numpy as np

from trainer.predictions import clip_answers, header, parquet_reader, parquet_writer


def header_of(labels, **changes):
  """Returns a header for these labels."""
  fields = {
    'split': 'test', 'checkpoint': 'best', 'model': 'cnn', 'feature': 'log_mel',
    'data_dir': '/data', 'dataset': 'words', 'manifest_sha256': 'ab' * 32,
  }  # fmt: skip
  return header.Header(labels=tuple(labels), **{**fields, **changes})


def write(
  path, labels, truth, logits, *, speakers=None, ids=None, seconds=None, batch_size=1_000, **changes
):
  """Writes predictions of clips with these true labels and logits; returns their reader.

  Args:
    path: Where.
    labels: Texts.
    truth: Index of each clip's label.
    logits: [clips, labels].
    speakers: One each; three in turn by default.
    ids: One each; numbered by default.
    seconds: How long each is; nobody says by default.
    batch_size: Clips that are added at once.
    **changes: Other fields of the header.
  """
  truth, logits = np.asarray(truth, np.int64), np.asarray(logits, np.float32)
  ids = ids or [f'clip {i}' for i in range(len(truth))]
  speakers = speakers or [('ann', 'bob', 'cyd')[i % 3] for i in range(len(truth))]
  with parquet_writer.writing(str(path), header_of(labels, **changes)) as writer:
    for start in range(0, len(truth), batch_size):
      part = slice(start, start + batch_size)
      origins = unknown_origins(ids[part], speakers[part])
      if seconds is not None:
        ends_us = [round(1e6 * length) for length in seconds[part]]
        origins = origins._replace(end_us=ends_us)
      writer.add(clip_answers.Answers(origins, truth[part], logits[part]))
  return parquet_reader.Reader(str(path))


def unknown_origins(ids, speakers):
  """Returns clips of which only ids and speakers are known."""
  nothing, zeros = [''] * len(ids), [0] * len(ids)
  return clip_answers.Origins(ids, speakers, nothing, zeros, zeros, ['{}'] * len(ids), nothing)


def answers_of(batch):
  """Returns what a writer was given, of a batch with all columns and all logits."""
  microseconds = (
    np.round(batch.numbers(name).astype(np.float64) * 1e6).astype(np.int64).tolist()
    for name in (header.START_S, header.END_S)
  )
  start_us, end_us = microseconds
  origins = clip_answers.Origins(
    ids=batch.ids,
    speakers=batch.speakers,
    files=batch.texts(header.FILE),
    start_us=start_us,
    end_us=end_us,
    fields=batch.texts(header.FIELDS),
    augmentations=batch.texts(header.AUGMENTATION),
  )
  return clip_answers.Answers(origins, batch.labels, batch.logits)
