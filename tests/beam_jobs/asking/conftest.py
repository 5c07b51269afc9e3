"""A corpus, an export, and a model that answers without TensorFlow, in this process."""

import pytest

from beam_jobs import predict
from beam_jobs.asking import model_place
from schemas import command
from tests.beam_jobs import corpora
from tests.helpers import made_exports

# What is asked where TensorFlow is.
REALLY_LOADED = model_place.loaded
SOURCE = '--source=file_names:pattern={label}/{speaker}_{take}.wav'


@pytest.fixture
def corpus(tmp_path):
  return corpora.make_words(tmp_path / 'corpus', takes=2)


@pytest.fixture
def export(tmp_path):
  made_exports.make(tmp_path / 'export')
  return tmp_path / 'export'


@pytest.fixture(autouse=True)
def stub(monkeypatch):
  """Answers in the place of models; gives those that were loaded."""
  loaded = []

  def load(place):
    loaded.append(made_exports.Stub(place.path))
    return loaded[-1]

  monkeypatch.setattr(model_place, 'loaded', load)
  return loaded


@pytest.fixture
def ask(corpus, export, tmp_path):
  """Runs the program in this process; returns its exit code."""

  def run(*more, output='answers', model=export):
    given = {word.partition('=')[0] for word in more}
    base = [f'--model={model}', SOURCE, f'--input={corpus}', f'--output={tmp_path / output}']
    base = [word for word in base if word.partition('=')[0] not in given]
    return command.run(predict.main, [*base, '--workers=0', *more])

  return run
