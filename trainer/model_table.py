"""Shows what each model takes and costs on a data set, before any is trained.

  python -m trainer.models
  python -m trainer.models --data=/data/words
  python -m trainer.models --data=/data/words tc_resnet:width=1.5 bc_resnet:width=2 --format=jsonl

Its parameters (weights, and the moving statistics of batch normalisation), the units of what its
trunk gives (the embedding), and its multiply-adds for one clip: of one length as the data set's, or
of the mean length of the train split.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from schemas import command, errors, manifest
from tfrecords import command_line
from trainer import models
from trainer.data import datasets, named_data
from trainer.devices import quiet
from trainer.models import inputs

_FORMATS = ('text', 'jsonl')
_OF_FILE = 'saved_model'  # Without a path it is no model.


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelsConfig:
  """One field per flag."""

  data: str = command_line.flag(
    datasets.DEMO_DATA, 'Folder of a data set, as the data job wrote it.', is_path=True
  )
  feature: str = command_line.flag('', 'Which of its features; empty: the only one.')
  format: str = command_line.flag('text', 'How it is printed.', choices=_FORMATS)
  models: tuple[str, ...] = ()

  def __post_init__(self) -> None:
    command_line.check(self)
    for text in self.models:
      models.parse(text)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
  """What is said of one model.

  Attributes:
    model: As --model takes it.
    parameters: Weights and moving statistics; None where it cannot be made, or a file holds them.
    multiply_adds: For one clip; None where nobody knows, as of a file.
    embedding: The units of what the trunk gives.
    clips: What lengths it takes.
    source: The paper.
    reason: Why it cannot be made for this data set; '' where it can.
  """

  model: str
  parameters: int | None = None
  multiply_adds: int | None = None
  embedding: int | None = None
  clips: str = ''
  source: str = ''
  reason: str = ''


def main(arguments: Sequence[str]) -> None:
  """Prints a line for each model."""
  config = command_line.parse(ModelsConfig, arguments, description=__doc__ or '', files='models')
  if config is None:
    return
  dataset, _ = named_data.load(config.data)
  feature = dataset.feature(config.feature)  # A wrong name is told before TensorFlow is loaded.
  quiet.import_tensorflow(debug=command.is_on('debug', arguments))
  names = config.models or tuple(name for name in models.MODELS if name != _OF_FILE)
  rows = (row(text, dataset, feature.name) for text in names)
  if config.format == 'jsonl':
    for one in rows:
      print(json.dumps(dataclasses.asdict(one)), flush=True)
    return
  num_rows = datasets.typical_rows(dataset, feature)
  length = f', a clip of {num_rows} rows' if feature.is_variable else ''
  shape = inputs.shape_text(feature)
  print(f'{config.data}: {feature.name} {shape}, {dataset.num_labels} labels{length}\n')
  width = max(len('mobilenet_v3_small'), *map(len, names)) + 2
  print(_text(width, 'model', 'parameters', 'multiply-adds', 'embedding', 'clips', 'source'))
  for one in rows:
    print(_line(width, one), flush=True)


def _text(width: int, *columns: str) -> str:
  return '{:{width}}{:>12}{:>15}{:>11}  {:7}{}'.format(*columns, width=width).rstrip()


def _line(width: int, one: Row) -> str:
  if one.reason:
    return f'{one.model:{width}}{one.reason}'
  numbers = (
    '-' if n is None else f'{n:,}' for n in (one.parameters, one.multiply_adds, one.embedding)
  )
  return _text(width, one.model, *numbers, one.clips, one.source)


def row(text: str, dataset: manifest.DatasetManifest, feature_name: str) -> Row:
  """Returns what is said of a model, of which no weight is made.

  Args:
    text: Such as `tc_resnet:width=1.5`.
    dataset: What it is to learn from.
    feature_name: Its input.

  Raises:
    ConfigError: if the text is wrong, or a setting cannot be followed.
  """
  # Imported here: a wrong flag answers without TensorFlow.
  import keras

  from trainer.models import anatomy, aside, footprint, multiply_adds

  name, settings = models.parse(text)
  member, feature = models.MODELS[name], dataset.feature(feature_name)
  num_rows = datasets.typical_rows(dataset, feature)

  def measure() -> Row:
    with keras.StatelessScope(initialize_variables=False):
      made = footprint.weightless(name, settings, dataset, feature)
    trunk = anatomy.trunk(made)
    given = trunk.output[0] if isinstance(trunk.output, list) else trunk.output
    return Row(
      model=text,
      # A network of a file is not opened here: what stands in for it has other weights.
      parameters=None if name == _OF_FILE else made.count_params(),
      multiply_adds=None if name == _OF_FILE else multiply_adds.of(made, num_rows=num_rows),
      embedding=given.shape[-1],
      clips=member.lengths.name.lower().replace('_', ' '),
      source=member.source,
    )

  try:
    return aside.apart(measure)
  except errors.DatasetError:
    kinds = ' or '.join(one.value for one in member.takes)
    return Row(model=text, reason=f'takes {kinds}, of {member.lengths.value} length')
