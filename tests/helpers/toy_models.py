"""Every model at a size that takes milliseconds, by the settings that a user has too."""

import atexit
import functools
import math
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence

import pytest

from schemas import record
from tests.helpers import tiny_manifest
from trainer import models
from trainer.learning import precision
from trainer.models import model

TOYS = {
  'linear': 'linear',
  'mlp': 'mlp:units=16,dropout=0',
  'cnn': 'cnn:filters=4,dense_units=16,dropout=0',
  'age_cnn': 'age_cnn:filters=8',
  'conv1d': 'conv1d:filters=2,dense_units=16,dropout=0',
  'deep_conv1d': 'deep_conv1d:blocks=2,filters=2,units=16,dropout=0',
  'rnn': 'rnn:units=8,dropout=0',
  'gru': 'gru:units=8,dropout=0',
  'bigru': 'bigru:units=4,dropout=0',
  'lstm': 'lstm:units=8,dropout=0',
  'bilstm': 'bilstm:units=4,dropout=0',
  'crnn': 'crnn:conv_layers=1,filters=4,units=4,attention_units=4,dropout=0',
  'tcn': 'tcn:blocks=2,filters=8,dropout=0',
  'ds_cnn': 'ds_cnn:filters=24',
  'res15': 'res15:filters=4,blocks=2',
  'tc_resnet': 'tc_resnet:width=0.5,kernel=3,dropout=0',
  'matchboxnet': 'matchboxnet:blocks=1,channels=8,wide_channels=16',
  'kwt': 'kwt:layers=1,head_units=16,widening=2,max_rows=640',
  'bc_resnet': 'bc_resnet:width=0.5,blocks=1,dropout=0',
  'efficientnet_b0': 'efficientnet_b0:blocks=2,dropout=0,drop_connect=0',
  'mobilenet_v3_small': 'mobilenet_v3_small:blocks=3,alpha=0.25,dropout=0',
  'resnet50': 'resnet50:blocks=2,dropout=0',
  'saved_model': 'saved_model:path={file}',
  'vgg16': 'vgg16:blocks=2,head_units=16,dropout=0',
}

# Models that together have every kind of layer that a model has, which a contract holds. What the
# arithmetic of layers decides and is slow to try is tried of these: several devices, other stacks.
EVERY_LAYER = (
  'cnn', 'deep_conv1d', 'rnn', 'lstm', 'crnn', 'tcn', 'ds_cnn', 'matchboxnet', 'kwt',
  'efficientnet_b0', 'saved_model',
)  # fmt: skip


def params(
  names: Iterable[str] = tuple(models.MODELS), *, second_stack: Sequence[str] = EVERY_LAYER
) -> list:
  """Models as pytest's parameters: all on the first stack, some on the second too."""
  mark = pytest.mark.one_stack
  return [name if name in second_stack else pytest.param(name, marks=mark) for name in names]


# What the examples of the tests are, by the first that a model takes.
SHAPES = {
  model.Takes.FRAMES: (32, 32),
  model.Takes.SAMPLES: (1_600,),
  model.Takes.PICTURES: (32, 40, 3),
}
NAMES = {
  model.Takes.FRAMES: 'log_mel',
  model.Takes.SAMPLES: 'waveform',
  model.Takes.PICTURES: 'image',
}
OF_ANY_LENGTH = [
  name for name, member in models.MODELS.items() if member.lengths != model.Lengths.ONE
]


@functools.cache
def network_file() -> str:
  """A Keras file that takes samples, which stays as long as the process."""
  import keras

  folder = tempfile.mkdtemp()
  atexit.register(shutil.rmtree, folder)
  keras.utils.set_random_seed(1)  # Not what the first test of a process left.
  with precision.policy('float32'):
    source = keras.Input((None,))
    x = keras.layers.Reshape((-1, 1))(source)
    x = keras.layers.Conv1D(8, 64, strides=16, activation='relu')(x)
    path = os.path.join(folder, 'network.keras')
    keras.Model(source, keras.layers.Conv1D(8, 3)(x)).save(path)
  return path


def text(name: str) -> str:
  """A model as --model takes it: the toy of a name, or the text itself where it is none."""
  found = TOYS.get(name, name)
  return found.format(file=network_file()) if '{file}' in found else found


def takes(name: str) -> model.Takes:
  """The first kind of feature that a model takes."""
  return models.MODELS[name].takes[0]


def shape(name: str, *, is_variable: bool = False) -> tuple[int | None, ...]:
  """The shape of what its tests feed it."""
  found = SHAPES[takes(name)]
  return (None, *found[1:]) if is_variable else found


def build(
  name: str,
  *,
  kind: model.Takes | None = None,
  size: tuple[int | None, ...] = (),
  seed: int = 1,
  **statistics,
):
  """A toy for three labels, on what it takes first, or on another kind or size of it."""
  import keras

  kind = kind or takes(name)
  dataset = tiny_manifest.of(shape=size or SHAPES[kind], name=NAMES[kind], **statistics)
  made_of = models.parse(text(name))  # Makes a file the first time, and draws numbers for it.
  keras.utils.set_random_seed(seed)
  return models.build(*made_of, dataset)


def parameters(
  model_text: str, size: tuple[int, ...], *, num_labels: int, name: str = 'log_mel'
) -> int:
  """The trained numbers of a model at a size of a paper, of which no weight is ever made."""
  import keras

  feature = record.FeatureSpec(name=name, shape=size, dtype='float16', settings={})
  with keras.StatelessScope(initialize_variables=False):
    made = models.network(*models.parse(model_text), feature, None, num_labels=num_labels)
  return sum(math.prod(variable.shape) for variable in made.trainable_variables)
