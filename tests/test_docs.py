"""Every command in the docs parses, every table lists what there is."""

import pathlib
import re
import shlex
import sys
import types

import numpy as np
import pytest

from beam_jobs import download, downloading
from beam_jobs.asking import ask_flags
from beam_jobs.exploration import request
from beam_jobs.launching import flags as job_flags
from beam_jobs.sources import corpus
from features.augmentations import augmentation
from pipelines import kubeflow
from schemas import audio, options, record
from tfrecords import command_line
from trainer import (
  app,
  augment,
  baseline,
  compare,
  config,
  data_server,
  evaluate,
  extract,
  model_table,
  models,
  predict,
  suspects,
  sweep,
)
from trainer.export import exporting
from trainer.listen import listen_config
from trainer.runs import runs_table
from trainer.serve import serve_config

ROOT = pathlib.Path(__file__).parent.parent
DOCS = sorted([*ROOT.glob('*.md'), *(ROOT / 'docs').glob('*.md')])


def commands(path):
  """Yields every command of the shell blocks and indented blocks of a page, one line each."""
  text = path.read_text(encoding='utf-8')
  blocks = re.findall(r'```sh\n(.*?)```', text, re.DOTALL)
  blocks += re.findall(r'^ {4}((?:make|python) .*)$', text, re.MULTILINE)
  for row in re.findall(r'^\|.*\|$', text, re.MULTILINE):  # Whole commands in tables.
    cells = re.findall(r'\| `((?:make|python) [^`]*)` (?=\|)', row)
    blocks += [cell.replace('\\|', '|') for cell in cells]
  for block in blocks:
    for line in block.replace('\\\n', ' ').splitlines():
      words = shlex.split(line, comments=True)
      if words and '...' not in words:
        yield words


ALL = [(path.name, words) for path in DOCS for words in commands(path)]


# Programs that take flags and nothing else.
TRAINER = {
  'pipelines.kubeflow': kubeflow.KubeflowConfig,
  'trainer': config.TrainConfig,
  'trainer.app': app.AppConfig,
  'trainer.baseline': baseline.BaselineConfig,
  'trainer.evaluate': evaluate.EvaluateConfig,
  'trainer.extract': extract.ExtractConfig,
  'trainer.export': exporting.ExportConfig,
  'trainer.serve': serve_config.ServeConfig,
  'trainer.listen': listen_config.ListenConfig,
  'trainer.suspects': suspects.SuspectsConfig,
}

# Those that take Beam's options too.
JOBS = {'beam_jobs.featurize': job_flags.parse, 'beam_jobs.predict': ask_flags.parse}

# Those that take files too, or what the field here is called.
WITH_ARGUMENTS = {
  'trainer.compare': (compare.CompareConfig, 'runs'),
  'trainer.models': (model_table.ModelsConfig, 'models'),
  'trainer.predict': (predict.PredictConfig, 'files'),
  'trainer.runs': (runs_table.RunsConfig, 'folders'),
}


def check_python(module, arguments):
  if module in JOBS:
    job_flags.beam_options(JOBS[module](arguments).beam_arguments)
  elif module == 'beam_jobs.explore':
    request.parse(arguments)
  elif module == 'beam_jobs.download':
    found = command_line.parse(download.DownloadConfig, arguments, description='', files='corpora')
    downloading.parse(found.corpora[0])
  elif module in TRAINER:
    command_line.parse(TRAINER[module], arguments, description='')
  elif module in WITH_ARGUMENTS:
    config_class, files = WITH_ARGUMENTS[module]
    command_line.parse(config_class, arguments, description='', files=files)
  elif module == 'trainer.sweep':
    asked, passed = sweep.parse(arguments)
    sweep.asked_space.make(asked.over, passed)
  elif module == 'trainer.data_server':
    arguments = [word.replace('HOST', 'host') for word in arguments]
    command_line.parse(data_server.ServerConfig, arguments, description='')
  elif module in ('tfrecords.describe', 'tfrecords.verify'):
    assert len(arguments) == 1
  elif module.startswith('benchmarks.'):
    assert all(word.startswith('--') for word in arguments)
  else:
    assert module == 'tensorboard.main', f'no test knows the program {module}'


def next_steps():
  """Yields the commands that `make demo` prints at its end."""
  makefile = (ROOT / 'Makefile').read_text(encoding='utf-8')
  recipe = re.search(r'^demo:.*?(?=^\w)', makefile, re.MULTILINE | re.DOTALL)[0]
  for command in re.findall(r"'\$\(PY\) (-m [^']*)'", recipe):
    yield shlex.split(command)


@pytest.mark.parametrize('words', next_steps(), ids=' '.join)
def test_the_next_steps_of_the_demo_parse(words):
  check_python(words[1], words[2:])


def test_the_docs_have_commands():
  assert len(ALL) > 15


@pytest.mark.parametrize(('page', 'words'), ALL, ids=[' '.join(w)[:70] for _, w in ALL])
def test_a_command_in_the_docs_parses(page, words):
  program = words[0].removeprefix('.venv/bin/')
  if program == 'make':
    makefile = (ROOT / 'Makefile').read_text(encoding='utf-8')
    targets = [word for word in words[1:] if '=' not in word]
    assert all(re.search(rf'^{target}:', makefile, re.MULTILINE) for target in targets)
  else:
    assert program == 'python' and words[1] == '-m'
    check_python(words[2], words[3:])


def table(page, header):
  """Returns the names in the first column of the table whose first header cell is `header`."""
  return [row[0].strip('`') for row in rows_of_table(page, header)]


def rows_of_table(page, header):
  """Returns the cells of the table whose first header cell is `header`, without the header's."""
  lines = (ROOT / page).read_text(encoding='utf-8').splitlines()
  start = next(i for i, line in enumerate(lines) if line.startswith(f'| {header} |'))
  found = []
  for line in lines[start + 2 :]:
    if not line.startswith('|'):
      break
    found.append([cell.strip() for cell in line.split('|')[1:-1]])
  return found


def test_the_readme_is_short_and_leads_to_every_page():
  text = (ROOT / 'README.md').read_text(encoding='utf-8')
  assert text.count('\n') <= 180
  pages = {path.name for path in (ROOT / 'docs').glob('*.md')}
  assert pages == set(re.findall(r'\(docs/([\w-]+\.md)', text))


def slugs(text):
  """Returns the anchors of a page's headings, as GitHub makes them."""
  titles = re.findall(r'^#+ (.*)$', re.sub(r'```.*?```', '', text, flags=re.DOTALL), re.MULTILINE)
  return {re.sub(r'[^\w\- ]', '', title.lower()).replace(' ', '-') for title in titles}


@pytest.mark.parametrize('page', DOCS, ids=lambda page: page.name)
def test_links_lead_to_pages_and_headings_that_are_there(page):
  text = re.sub(r'```.*?```', '', page.read_text(encoding='utf-8'), flags=re.DOTALL)
  for target in re.findall(r'\]\(([^)\s]+)\)', text):
    if '://' in target:
      continue
    path, _, anchor = target.partition('#')
    found = (page.parent / path) if path else page
    assert found.exists(), target
    if anchor:
      assert anchor in slugs(found.read_text(encoding='utf-8')), target


def test_the_table_of_training_lists_what_is_done_on_the_fly():
  assert table('docs/training.md', 'on the fly') == sorted(augment.AUGMENTATIONS)


def promises():
  """Yields every promise of docs/promises.md and the tests that hold it, as (file, function)."""
  text = (ROOT / 'docs' / 'promises.md').read_text(encoding='utf-8')
  for promise, held_by in re.findall(r'^\| ([A-Z].*?) \| (.*) \|$', text, re.MULTILINE):
    yield promise, re.findall(r'`([\w/]+\.py)::(test_\w+)`', held_by)


def test_every_promise_is_held_by_tests_that_are_there():
  found = list(promises())
  assert len(found) > 15
  for promise, held_by in found:
    assert held_by, promise
    for file, name in held_by:
      text = (ROOT / 'tests' / file).read_text(encoding='utf-8')
      assert re.search(rf'^ *def {name}\(', text, re.MULTILINE), f'{file} has no {name}'


def test_nothing_names_a_path_of_one_machine():
  for path in DOCS:
    text = path.read_text(encoding='utf-8')
    assert not re.search(r'/(root|work|home)/', text), path.name


def example(title):
  """Returns what the code under a title of CONTRIBUTING defines."""
  text = (ROOT / 'CONTRIBUTING.md').read_text(encoding='utf-8')
  section = text[text.index(f'## {title}') :]
  code = re.search(r'```python\n(.*?)```', section, re.DOTALL)[1]
  module = types.ModuleType(f'example_{title.split()[-1]}')
  sys.modules[module.__name__] = module  # Where dataclasses look for names.
  exec(compile(code, module.__name__, 'exec', dont_inherit=True), vars(module))
  return module


def test_the_source_of_contributing_works(tmp_path):
  source = example('To add a source').SOURCE
  for name in source.example_tree:
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).touch()
  found = list(source.list_utterances(corpus.Corpus(str(tmp_path)), source.settings()))
  assert [(u.speaker_id, u.label) for u in found] == [('anna', 'yes'), ('ben', 'no')]


def test_the_feature_of_contributing_works():
  member = example('To add a feature').FEATURE
  spec = audio.AudioSpec(sample_rate_hz=8_000, clip_s=0.5)
  tone = np.sin(2 * np.pi * 1_000 * np.arange(4_000) / 8_000 + 0.1).astype(np.float32)
  array = member.kernel(member.settings(), spec)(tone[None])
  assert array.shape == (1, *member.shape(member.settings(), spec))
  # A tone of 1 kHz changes its sign 2,000 times a second: every fourth sample.
  np.testing.assert_allclose(array, 0.25, atol=0.01)
  options.check_table({'zero_crossings': member.settings})


def test_the_model_of_contributing_works(monkeypatch):
  monkeypatch.setitem(models.MODELS, 'mine', example('To add a model').FAMILY)
  options.check_table({'mine': models.MODELS['mine'].settings})
  feature = record.FeatureSpec(name='log_mel', shape=(None, 4), dtype='float16', settings={})
  settings = models.MODELS['mine'].settings(filters=3)
  made = models.network('mine', settings, feature, None, num_labels=2)
  clip = np.random.default_rng(0).normal(size=(1, 9, 4)).astype(np.float32)
  padded = np.concatenate([clip, np.ones((1, 5, 4), np.float32)], axis=1)
  alone = np.array(made([clip, np.array([9])]))
  np.testing.assert_allclose(made([padded, np.array([9])]), alone, atol=1e-5)


def test_the_augmentation_of_contributing_works():
  member = example('To add an augmentation').AUGMENTATION
  samples = np.ones(8_000, np.float32)
  draws = augmentation.Draws(np.random.default_rng(0))
  changed, applied = member.apply(samples, 8_000, member.settings(), draws)
  assert np.count_nonzero(changed == 0) == round(applied['gap_s'] * 8_000) > 0
  options.check_table({'drop_out': member.settings})
