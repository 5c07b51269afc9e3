"""What TensorFlow Serving reads of an export: signatures by name, type and shape; answers in JSON.

Serving itself is not run here; it asks a SavedModel by its SignatureDefs, as these tests do.
"""

import json

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2

from exports import export_file
from schemas import audio
from tests.helpers import made_runs
from trainer.export import exporting

LABELS = ('no', 'stöp', 'yes')
ANSWERS = {
  'probabilities': ('DT_FLOAT', [-1, 3]),
  'logits': ('DT_FLOAT', [-1, 3]),
  'label': ('DT_STRING', [-1]),
  'none_of_these': ('DT_BOOL', [-1]),
}
RUNS = {
  'audio': {'audio': audio.AudioSpec(sample_rate_hz=8_000, clip_s=0.5)},
  'any length': {'audio': audio.AudioSpec(sample_rate_hz=8_000, clip_s=0)},
  'pictures': {'audio': None, 'feature': 'image:height=8,width=8'},
}
SAMPLES = ('DT_FLOAT', [-1, -1])
INPUTS = {
  'audio': {
    'serving_default': {'samples': SAMPLES},
    'clips': {'samples': SAMPLES, 'num_samples': ('DT_INT32', [-1])},
  },
  'pictures': {'serving_default': {'pictures': ('DT_UINT8', [-1, 8, 8, 3])}},
}
INPUTS['any length'] = INPUTS['audio']


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
  found = {}
  for name, settings in RUNS.items():
    folder = tmp_path_factory.mktemp('runs')
    model = 'linear' if name == 'pictures' else 'cnn'
    run = made_runs.make(folder / 'run', model=model, labels=LABELS, **settings)
    made = exporting.make(run)
    exporting.write(made, str(folder / 'export'), [export_file.SAVED_MODEL], overwrite=False)
    found[name] = folder / 'export' / 'saved_model'
  return found


def meta_graph(folder):
  """Returns the one graph with the tag that Serving looks for."""
  saved = saved_model_pb2.SavedModel()
  saved.ParseFromString((folder / 'saved_model.pb').read_bytes())
  [found] = [graph for graph in saved.meta_graphs if list(graph.meta_info_def.tags) == ['serve']]
  return found


def tensors(infos):
  return {
    name: (types_pb2.DataType.Name(info.dtype), [each.size for each in info.tensor_shape.dim])
    for name, info in infos.items()
  }


@pytest.mark.parametrize('name', RUNS)
def test_signatures_have_names_types_and_a_batch_in_front(name, folders):
  signatures = meta_graph(folders[name]).signature_def
  assert set(INPUTS[name]) == {'serving_default', 'clips'} & set(signatures)
  for signature, inputs in INPUTS[name].items():
    assert signatures[signature].method_name == 'tensorflow/serving/predict'
    assert tensors(signatures[signature].inputs) == inputs
    assert tensors(signatures[signature].outputs) == ANSWERS


def served(folder, request):
  """Answers a request as Serving's REST interface does: its `instances` are rows of a batch."""
  asked = json.loads(request)
  name = asked.get('signature_name', 'serving_default')
  inputs = meta_graph(folder).signature_def[name].inputs
  rows = asked['instances']
  if len(inputs) == 1:  # Then the name may be left away.
    rows = [row if isinstance(row, dict) else {next(iter(inputs)): row} for row in rows]
  given = {
    key: tf.constant([row[key] for row in rows], tf.as_dtype(info.dtype))
    for key, info in inputs.items()
  }
  found = {
    key: value.numpy()
    for key, value in tf.saved_model.load(str(folder)).signatures[name](**given).items()
  }
  assert {len(value) for value in found.values()} == {len(rows)}
  predictions = [{key: plain(value[i]) for key, value in found.items()} for i in range(len(rows))]
  return json.loads(json.dumps({'predictions': predictions}))['predictions']


def plain(value):
  return value.decode('utf-8') if isinstance(value, bytes) else value.tolist()


def test_rows_of_json_are_answered_row_by_row(folders):
  samples = np.random.default_rng(1).uniform(-0.5, 0.5, (2, 3_000)).round(3).tolist()
  whole = served(folders['audio'], json.dumps({'instances': samples}))
  padded = [{'samples': [*row, *[0] * 500], 'num_samples': 3_000} for row in samples]
  clips = served(folders['audio'], json.dumps({'signature_name': 'clips', 'instances': padded}))
  for one, other in zip(whole, clips, strict=True):
    assert one.keys() == ANSWERS.keys()
    assert one['label'] == LABELS[int(np.argmax(one['probabilities']))]
    np.testing.assert_allclose(other['probabilities'], one['probabilities'], atol=1e-5)
  [picture] = served(
    folders['pictures'], json.dumps({'instances': np.full((1, 8, 8, 3), 200).tolist()})
  )
  assert sum(picture['probabilities']) == pytest.approx(1)
