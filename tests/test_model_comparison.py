"""The comparison of models: what is chosen, that it goes on, what its tables say; and each act."""

import json

import pytest

from benchmarks.models import __main__ as program
from benchmarks.models import acts, recipes, tables
from schemas import errors
from tests.helpers import datasets

VOICES = ('ann', 'bob', 'cai')
CANDIDATES = (recipes.Candidate('cnn', 'plain'), recipes.Candidate('linear', 'plain'))
# Right answers of 100, by what a run was trained without, on each of these; and the model.
ON_VOICES = {
  ('cnn', 'without-ann-bob'): (90, 60),
  ('cnn', 'without-ann-cai'): (90, 60),
  ('cnn', 'without-bob-cai'): (50, 50),
  ('linear', 'without-ann-bob'): (10, 70),
  ('linear', 'without-ann-cai'): (10, 70),
  ('linear', 'without-bob-cai'): (70, 70),
}


@pytest.fixture
def digits(tmp_path):
  folder = tmp_path / 'digits'
  folder.mkdir()
  for voice in VOICES:
    for take in range(10):
      (folder / f'7_{voice}_{take}.wav').touch()
  return folder


@pytest.fixture
def done(monkeypatch):
  """Acts that take no time; returns what was done."""
  seen = []

  def featurize(root, *, name, words):
    del root
    seen.append(('data', name, words))
    return {'seconds': 1.0}

  def measure(root, *, data, feature, model_text, most_s):
    del root, data, feature, most_s
    seen.append(('measure', model_text))
    if model_text == 'mlp':
      raise errors.DatasetError('mlp cannot take this.')
    speed = 0.5 if model_text == 'vgg16' else 1_000.0
    return {'parameters': 1_234, 'multiply_adds': 5.6e6, 'train_clips_per_s': speed, 'ms_a_clip': 1}

  def train(root, *, run, data, feature, words, judged):
    del root, run, feature
    model = words[0].removeprefix('--model=')
    seen.append(('train', data, model, words))
    found = ON_VOICES.get((model, data), (80, 80))
    counts = dict(zip(('validation', 'test'), found, strict=True))
    return {
      'judged': {split: {'num_correct': counts[split], 'num_examples': 100} for split in judged}
    }

  for act in (featurize, measure, train):
    monkeypatch.setattr(acts, act.__name__, act)
  monkeypatch.setattr(recipes, 'CANDIDATES', CANDIDATES)
  monkeypatch.setattr(recipes, 'FOLD_SEEDS', (0,))
  monkeypatch.setattr(recipes, 'WHO', CANDIDATES[0])
  monkeypatch.setattr(recipes, 'DEMO', CANDIDATES[0])
  return seen


def compare(tmp_path, digits, *more):
  program.main(
    [
      f'--data=fsdd:{digits}',
      f'--output={tmp_path / "found"}',
      '--jobs=0',
      '--models=cnn;linear',
      *more,
    ]
  )


def test_the_test_voice_has_no_say_in_what_is_chosen_for_it(tmp_path, digits, done):
  compare(tmp_path, digits)
  folds = {one[1]: one[2] for one in done if one[0] == 'train' and one[1].count('-') == 1}
  # Without ann, cnn has 50 and 50 and linear 70 and 70. For bob it is 60 (cai) and 90 (ann).
  assert folds == {'without-ann': 'linear', 'without-bob': 'cnn', 'without-cai': 'cnn'}
  split_by = {one[1]: one[2][-1] for one in done if one[0] == 'data'}
  assert split_by['without-bob'] == '--split_by=speaker:train=ann+cai,test=bob'
  assert split_by['without-ann-cai'] == '--split_by=speaker:train=bob,validation=ann,test=cai'


def test_a_second_call_does_only_what_has_no_result(tmp_path, digits, done, capsys):
  compare(tmp_path, digits)
  first = capsys.readouterr().out.partition('### ')[2]
  done.clear()
  compare(tmp_path, digits)
  assert not done
  assert capsys.readouterr().out.partition('### ')[2] == first
  lines = (tmp_path / 'found' / 'results.jsonl').read_text().splitlines()
  (tmp_path / 'found' / 'results.jsonl').write_text('\n'.join(lines[:-1]) + '\n{"key": "ru')
  compare(tmp_path, digits)
  assert len(done) == 1
  assert [json.loads(line) for line in lines[:-1]] == [
    json.loads(line)
    for line in (tmp_path / 'found' / 'results.jsonl').read_text().splitlines()[: len(lines) - 1]
  ]


def test_tables_say_what_did_not_fit_and_what_was_refused(tmp_path, digits, done, capsys):
  compare(tmp_path, digits, '--models=cnn;mlp;vgg16')
  rows = {line.split(' | ')[0]: line for line in capsys.readouterr().out.splitlines()}
  assert rows['| `cnn`'].startswith('| `cnn` | 80.0 % (71.1 to 86.7) | 24 | 1,234 | 5.6 M | 1,000')
  assert 'does not fit: 24 epochs would take 24 min' in rows['| `vgg16`']
  assert rows['| `mlp`'].startswith('| `mlp` | mlp cannot take this. |')
  assert rows['| who speaks: at least 99.5 %'].endswith('| **missed** |')


def test_without_time_nothing_is_begun_and_tables_say_so(tmp_path, digits, done, capsys):
  compare(tmp_path, digits, '--budget_minutes=0')
  assert not done
  out = capsys.readouterr().out
  assert '| `cnn` | not measured: no time |' in out
  assert 'no time was left | **missed** |' in out


def test_a_page_keeps_what_stands_around_its_tables(tmp_path, digits, done):
  page = tmp_path / 'page.md'
  page.write_text(f'Before.\n{tables._MARKS[0]}\nold\n{tables._MARKS[1]}\nBehind.\n')
  compare(tmp_path, digits, f'--page={page}')
  text = page.read_text()
  assert text.startswith('Before.\n')
  assert text.endswith('\nBehind.\n')
  assert '| `cnn` | 80.0 %' in text
  assert 'old' not in text
  page.write_text('No marks.\n')
  with pytest.raises(errors.ConfigError, match='must have the lines'):
    compare(tmp_path, digits, f'--page={page}')
  assert page.read_text() == 'No marks.\n'


@pytest.mark.parametrize(
  ('flag', 'message'),
  [
    ('--data=words', 'must be demo or fsdd:FOLDER'),
    ('--data=fsdd:/nowhere', 'at least 3 voices'),
    ('--models=cm', 'cnn'),
  ],
)
def test_wrong_flags_are_answered_before_anything_is_done(tmp_path, done, flag, message):
  with pytest.raises(errors.ConfigError, match=message):
    program.main([flag, '--data=demo', f'--output={tmp_path / "found"}'])
  assert not done
  assert not (tmp_path / 'found').exists()


def test_a_model_is_measured_trained_and_judged(tmp_path):
  datasets.write_dataset(tmp_path / 'data' / 'takes')
  words = ('--model=linear', '--epochs=1', '--batch_size=8')
  measured = acts.measure(
    str(tmp_path), data='takes', feature='log_mel', model_text='linear', most_s=0.01
  )
  assert measured['parameters'] > 0
  assert measured['multiply_adds'] > 0
  assert measured['train_clips_per_s'] > 0
  found = acts.train(
    str(tmp_path),
    run='one',
    data='takes',
    feature='log_mel',
    words=words,
    judged={'validation': 'last', 'test': 'last'},
  )
  assert found['judged']['test']['num_examples'] > 0
  assert set(found['judged']) == {'validation', 'test'}
