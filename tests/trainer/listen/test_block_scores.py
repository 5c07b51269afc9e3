"""An export's file hears frame by frame as the run itself does; where it cannot, the reason."""

import dataclasses
import re
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from exports import export_file, runtimes
from schemas import audio as audio_schema
from schemas import errors
from tests.helpers import made_exports, made_runs, signals
from trainer.confidence import caution
from trainer.export import exporting
from trainer.listen import listen_config, listening_model

RATE_HZ = 4_000
WITHOUT_TENSORFLOW = """
import sys
sys.modules |= {'tensorflow': None, 'keras': None}
from trainer.listen import listening
sys.exit(listening.run_program())
"""
AUDIO = audio_schema.AudioSpec(sample_rate_hz=RATE_HZ, clip_s=0.5)


def scores_of(samples, **flags):
  """Returns how a model hears, and its probabilities by the time in samples."""
  config = listen_config.ListenConfig(input='-', **flags)
  model = listening_model.load(config, debug=False)
  with model.scores() as scores:
    # In odd parts: blocks do not begin where they do.
    found = [one for part in np.array_split(samples, 7) for one in scores.hear(part)]
  return model, {time: model.caution.probabilities(logits) for time, logits in found}


@pytest.mark.engines
@pytest.mark.parametrize(('model', 'kind'), [('gru', 'state'), ('cnn', 'ring')])
def test_scores_of_an_export_are_those_of_its_run(model, kind, tmp_path, capsys):
  pytest.importorskip('ai_edge_litert')
  feature = 'log_mel:num_mels=20,window_s=0.03,hop_s=0.02'
  run = made_runs.make(tmp_path / 'run', model=model, feature=feature, audio=AUDIO)
  folder = str(tmp_path / 'export')
  made = exporting.make(run, caution=caution.Caution())
  exporting.write(made, folder, [export_file.LITERT_STREAMING], overwrite=False)
  capsys.readouterr()
  samples = (0.1 * signals.noise(3 * RATE_HZ, seed=1)).astype(np.float32)
  heard, found = scores_of(samples, model=folder)
  assert heard.how == f'{kind} by model_streaming.tflite' and heard.hop_samples == 400
  # 24 frames need five blocks of five, behind the samples that the first frame begins with.
  assert list(found) == list(range(40 + 5 * 400, 3 * RATE_HZ, 400))
  wanted = scores_of(samples, run_dir=run.folder.path, hop_s=0.02)[1]
  for time, probabilities in found.items():
    np.testing.assert_allclose(probabilities, wanted[time], atol=1e-4)
  twice = scores_of(samples, model=folder, hop_s=0.2, window_s=0.5, streaming=kind)[1]
  assert list(twice) == list(found)[::2]
  assert all((twice[time] == found[time]).all() for time in twice)
  assert not capsys.readouterr().err

  # As a program without TensorFlow, on what is shorter than the blocks of the first window.
  path = tmp_path / 'short.wav'
  soundfile.write(path, samples[: RATE_HZ // 2], RATE_HZ)
  done = subprocess.run(
    [sys.executable, '-c', WITHOUT_TENSORFLOW, f'--model={folder}', f'--input={path}'],
    capture_output=True, text=True, check=False,
  )  # fmt: skip
  assert done.returncode == 0
  assert re.search(rf'^way      {kind}: .*, by model_streaming.tflite$', done.stderr, re.MULTILINE)
  assert 'window   0.5 s, another one every 0.1 s\n' in done.stderr
  assert 'heard    0:00.50 in 1 window\n' in done.stderr

  # A file of another export.
  export = export_file.load(folder)
  made_exports.write_description(tmp_path / 'export', _with_labels(export, ('a', 'b')))
  with pytest.raises(errors.ConfigError, match='takes or gives something else than'):
    scores_of(samples, model=folder)
  made_exports.write_description(tmp_path / 'export', export)
  (tmp_path / 'export' / 'model_streaming.tflite').write_bytes(b'no model')
  with pytest.raises(errors.ConfigError, match="'model_streaming.tflite' was changed, damaged"):
    scores_of(samples, model=folder)
  # One of before, which has no digests.
  made_exports.write_description(tmp_path / 'export', dataclasses.replace(export, files={}))
  with pytest.raises(errors.ConfigError, match='model_streaming.tflite.* cannot be read'):
    scores_of(samples, model=folder)


def _with_labels(export, labels):
  return export_file.Export.from_json({**export.to_json(), 'labels': list(labels)}, where='x')


@pytest.fixture
def folder(tmp_path):
  """An export that has files for both, none of which can be loaded."""
  formats = {
    export_file.SAVED_MODEL: 'saved_model',
    export_file.LITERT_STREAMING: 'model_streaming.tflite',
  }
  made_exports.make(tmp_path / 'export', formats=formats)
  made_exports.write_feeding(tmp_path / 'export')
  return str(tmp_path / 'export')


@pytest.mark.parametrize(
  ('flags', 'text'),
  [
    ({'streaming': 'state'}, 'of the export hears by ring: write --streaming=ring.'),
    ({'window_s': 0.4}, '--window_s=0.4 is not what .* hears: write --window_s=0.5.'),
    ({'hop_s': 0.25}, '--hop_s=0.25 is no multiple of the 0.1 s that'),
    ({'hop_s': 0.02}, '--hop_s=0.02 is no multiple of the 0.1 s that'),
  ],
)
def test_what_the_file_does_not_hear(flags, text, folder, capsys):
  wanted = {'streaming': 'ring', **flags}
  with pytest.raises(errors.ConfigError, match=f'--streaming={wanted["streaming"]}: .*{text}'):
    scores_of(np.zeros(0, np.float32), model=folder, **wanted)
  if 'streaming' not in flags:
    model = listening_model.load(
      listen_config.ListenConfig(model=folder, input='-', **flags), debug=False
    )
    assert model.how == 'windows'
    assert 'note: whole windows are heard. --' in capsys.readouterr().err


def test_how_to_hear_frame_by_frame_is_said_once(folder, tmp_path, monkeypatch, capsys):
  monkeypatch.setattr(runtimes, 'is_installed', lambda name: False)
  config = listen_config.ListenConfig(model=folder, input='-')
  assert listening_model.load(config, debug=False).how == 'windows'
  assert 'ai-edge-litert, which is not installed: pip install' in capsys.readouterr().err
  made_exports.make(tmp_path / 'windows')
  config = listen_config.ListenConfig(model=str(tmp_path / 'windows'), input='-')
  assert listening_model.load(config, debug=False).how == 'windows'
  found = capsys.readouterr().err
  assert found.count('note:') == 1 and '--format=saved_model,litert_streaming --overwrite' in found
  with pytest.raises(errors.ConfigError, match='--streaming=ring: The export has no file'):
    scores_of(np.zeros(0, np.float32), model=str(tmp_path / 'windows'), streaming='ring')
  config = listen_config.ListenConfig(model=folder, input='-', streaming='windows')
  assert listening_model.load(config, debug=False).how == 'windows'
  assert not capsys.readouterr().err
