"""Every model of the table as what an export holds: with audio in front of it."""

import numpy as np
import pytest

from exports import export_file
from features import extractor
from schemas import audio as audio_schema
from tests.helpers import made_runs, signals, toy_models
from trainer.export import exporting, litert_format, onnx_format
from trainer.judging import answering
from trainer.models import model as model_lib
from trainer.runs import run_folder

# Other runtimes take their time.
pytestmark = pytest.mark.engines

# What a toy is made for, small, since graphs of TensorFlow take their time whatever the size.
FORMS = {
  model_lib.Takes.FRAMES: ('log_mel:num_mels=32', {'clip_s': 0.35}),
  model_lib.Takes.SAMPLES: ('waveform', {'clip_s': 0.2}),
}


def run_of(name, folder):
  feature, form = FORMS[toy_models.takes(name)]
  audio = audio_schema.AudioSpec(sample_rate_hz=8_000, **form)
  # Its upper blocks are many megabytes of the same.
  text = 'vgg16:blocks=2,head_units=16,dropout=0' if name == 'vgg16' else name
  return made_runs.make(folder, model=text, feature=feature, audio=audio)


def examples(run, count):
  audio = run.manifest.audio
  noise = signals.noise(count * audio.clip_samples).reshape(count, -1)
  return (0.1 * noise).astype(np.float32)


def said_by_run(run, given):
  stored = extractor.Extractor([run.feature], run.manifest.audio).compute_stored(given)
  stored = stored[run.feature.name]
  return answering.load(run, run_folder.BEST).of_arrays(list(stored))


@pytest.mark.parametrize('name', toy_models.TOYS)
def test_the_model_of_samples_and_litert_give_the_logits_of_the_run(name, tmp_path):
  interpreter = pytest.importorskip('ai_edge_litert.interpreter')
  run = run_of(name, tmp_path / 'run')
  made = exporting.make(run)
  given = examples(run, 1)
  expected = said_by_run(run, given)
  front = made.front([given, np.array([given.shape[1]], np.int32)], training=False)
  # What every format is made of; the SavedModel is a graph of just this.
  np.testing.assert_allclose(made.network(front, training=False), expected, atol=1e-4)
  # Written parts are joined to what computes the feature, whatever the network.
  model = interpreter.Interpreter(model_content=litert_format.network_of_floats(made))
  model.allocate_tensors()
  model.set_tensor(model.get_input_details()[0]['index'], np.asarray(front))
  model.invoke()
  found = model.get_tensor(model.get_output_details()[0]['index'])
  np.testing.assert_allclose(found, expected, atol=1e-3)


def test_the_activation_of_transformers_is_one_of_onnx_too(tmp_path):
  onnxruntime = pytest.importorskip('onnxruntime')
  run = run_of('kwt', tmp_path / 'run')
  path = tmp_path / onnx_format.write(exporting.make(run), str(tmp_path))
  given = examples(run, 2)
  session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
  (found,) = session.run([export_file.LOGITS], {export_file.SAMPLES: given})
  np.testing.assert_allclose(found, said_by_run(run, given), atol=1e-3)
