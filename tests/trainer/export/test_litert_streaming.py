"""The LiteRT file that hears frame by frame against the step model, as its description says."""

import json

import numpy as np
import pytest

from exports import export_file, streaming_file
from schemas import audio as audio_schema
from schemas import errors
from tests.helpers import made_runs, signals
from trainer.confidence import caution
from trainer.export import exporting, litert_streaming_format
from trainer.streaming import step_model, stepping

# Other runtimes take their time.
pytestmark = pytest.mark.engines

litert = pytest.importorskip('ai_edge_litert.interpreter')
RATE_HZ = 4_000
AUDIO = audio_schema.AudioSpec(sample_rate_hz=RATE_HZ, clip_s=0.5)
FEATURE = 'log_mel:num_mels=20,window_s=0.03,hop_s=0.02'


def make(folder, model):
  run = made_runs.make(folder / 'run', model=model, feature=FEATURE, audio=AUDIO)
  made = exporting.make(run, caution=caution.Caution(temperature=2.0))
  exporting.write(made, str(folder / 'out'), [export_file.LITERT_STREAMING], overwrite=False)
  return run, folder / 'out'


@pytest.mark.parametrize(
  ('model', 'kind'), [('gru', 'state'), ('lstm', 'state'), ('tcn', 'state'), ('cnn', 'ring')]
)
def test_scores_are_those_of_the_step_model(model, kind, tmp_path, monkeypatch, capsys):
  run, folder = make(tmp_path, model)
  how = json.loads((folder / streaming_file.DESCRIPTION).read_text())
  assert how['kind'] == kind and how['block_samples'] == 400 and how['primed_samples'] == 40
  samples = (0.1 * signals.noise(4_000, seed=1)).astype(np.float32)
  step = step_model.load(run, kind=kind, window_samples=AUDIO.clip_samples)
  wanted = dict(stepping.Stepping(step, hop_frames=1).hear(samples))
  runner = litert.Interpreter(
    str(folder / litert_streaming_format.FILE)
  ).get_signature_runner('serving_default')  # fmt: skip
  states = {one['name']: np.zeros(one['shape'], np.float32) for one in how['states']}
  states['state_0'] = samples[None, : how['primed_samples']]
  count = 0
  for block, start in enumerate(range(how['primed_samples'], 3_600, how['block_samples']), 1):
    end = start + how['block_samples']
    found = runner(samples=samples[None, start:end], **states)
    states = {name: found[name] for name in states}
    if block >= how['first_block']:
      count += 1
      np.testing.assert_allclose(found['logits'][0], wanted[end], atol=1e-3)
      np.testing.assert_allclose(
        found['probabilities'][0], caution.Caution(temperature=2.0).probabilities(wanted[end]),
        atol=1e-3,
      )  # fmt: skip
  assert count == 5
  if model == 'gru':
    card = (folder / 'MODEL_CARD.md').read_text(encoding='utf-8')
    code = card.split('samples as they come):')[1].split('```python')[1].split('```')[0]
    monkeypatch.chdir(folder)
    exec(code.replace('(1, 2000)', '(1, 3000)'), {})
    assert len(capsys.readouterr().out.split()) == 3


@pytest.mark.parametrize('model', ['bigru', 'crnn', 'kwt'])
def test_what_looks_at_all_of_a_clip_is_refused_by_name(model, tmp_path):
  with pytest.raises(errors.ConfigError, match=f'frame by frame: {model} .*Export it as litert'):
    make(tmp_path, model)
  assert not (tmp_path / 'out').exists()
