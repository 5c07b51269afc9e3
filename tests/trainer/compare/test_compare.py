"""Runs compared over the same clips, from made-up predictions."""

import dataclasses
import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import command, errors
from tests.helpers import exploring, prediction_files
from trainer import compare
from trainer.compare import compared_runs, markup, results, same_clips
from trainer.judging.report import tally
from trainer.measures import intervals, paired
from trainer.predictions import parquet_reader
from trainer.runs import run_folder, written_checkpoints

LABELS = ('no', 'yes', 'up')


def logits_of(answers, sureness=2.0, num_labels=3):
  """Returns logits with these answers."""
  logits = np.zeros((len(answers), num_labels))
  logits[np.arange(len(answers)), answers] = sureness
  return logits


def write(folder, truth, answers, *, labels=LABELS, sureness=2.0, **changes):
  """Makes a folder with predictions, returns its path."""
  folder.mkdir(parents=True, exist_ok=True)
  logits = logits_of(np.asarray(answers), sureness, len(labels))
  prediction_files.write(folder / 'predictions.parquet', labels, truth, logits, **changes)
  return str(folder)


def read(*paths):
  return same_clips.read({os.path.basename(path): f'{path}/predictions.parquet' for path in paths})


def compared(*paths, most_clips=10):
  names = [os.path.basename(path) for path in paths]
  return results.compare(names, read(*paths), most_clips=most_clips)


def noisy(truth, share, seed):
  """Returns answers of which so many are right."""
  rng = np.random.default_rng(seed)
  return np.where(rng.random(len(truth)) < share, truth, (truth + 1) % len(LABELS))


@pytest.fixture
def pair(tmp_path):
  """Two runs on 240 clips of twelve speakers."""
  truth = np.arange(240) % 3
  speakers = [f's{i % 12:02}' for i in range(240)]
  return tuple(
    write(tmp_path / name, truth, noisy(truth, share, seed), speakers=speakers, model=name)
    for name, share, seed in (('cnn', 0.7, 0), ('tc', 0.85, 1))
  )


def test_the_numbers_are_those_of_the_definitions(pair):
  found = compared(*pair)
  truth = np.arange(240) % 3
  right = [noisy(truth, 0.7, 0) == truth, noisy(truth, 0.85, 1) == truth]
  assert found.accuracies == tuple(one.mean() for one in right)
  (one,) = found.pairs
  assert one.difference == pytest.approx(right[1].mean() - right[0].mean())
  lost, won = (right[0] & ~right[1]).sum(), (right[1] & ~right[0]).sum()
  assert (one.first_alone, one.second_alone) == (lost, won)
  assert one.p_value == one.corrected_p_value == paired.mcnemar(int(lost), int(won))
  sums = [[one[i::12].sum() for one in right] + [20] for i in range(12)]
  assert found.accuracy_intervals[1] == pytest.approx(
    intervals.share([row[1] for row in sums], [20] * 12)
  )
  low, high = one.interval
  assert low < one.difference < high
  assert one.interval == pytest.approx(
    results.group_bootstrap.interval(np.array(sums, float), intervals.difference)
  )
  assert sum(part.num_clips for part in found.labels) == 240
  assert [len(found.lost[1]), len(found.won[1])] == [min(10, lost), min(10, won)]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1_000), size=st.integers(1, 60), num_speakers=st.integers(1, 15))
def test_order_of_clips_and_of_runs(tmp_path_factory, seed, size, num_speakers):
  folder = tmp_path_factory.mktemp('runs')
  rng = np.random.default_rng(seed)
  truth = rng.integers(0, 3, size)
  answers = [noisy(truth, 0.6, seed + i) for i in range(2)]
  ids = [f'clip {i}' for i in range(size)]
  speakers = [f's{i % num_speakers}' for i in range(size)]
  order = rng.permutation(size)

  def paths(name, order):
    return [
      write(
        folder / name / f'{i}', truth[order], answers[i][order],
        ids=[ids[j] for j in order], speakers=[speakers[j] for j in order],
      )
      for i in range(2)
    ]  # fmt: skip

  plain, mixed = paths('plain', np.arange(size)), paths('mixed', order)
  once = compared(*plain)
  for other in (mixed, [plain[0], mixed[1]]):
    again = compared(*other)
    for field in dataclasses.fields(results.Comparison):
      assert str(getattr(again, field.name)) == str(getattr(once, field.name)), field.name
  (one,), (other,) = once.pairs, compared(*plain[::-1]).pairs
  assert other.difference == -one.difference
  assert (other.first_alone, other.second_alone) == (one.second_alone, one.first_alone)
  assert other.p_value == one.p_value
  assert (one.interval is None) == (min(size, num_speakers) < 10)
  if one.interval:
    # The draws are the same, so the ends change places.
    assert other.interval == pytest.approx((-one.interval[1], -one.interval[0]), abs=1e-9)


def test_the_most_telling_changes_come_first_and_name_all_runs_answers(tmp_path):
  truth = [0, 0, 0, 1]
  sureness = np.array([[1.0], [5.0], [2.0], [3.0]])
  first = write(tmp_path / 'first', truth, [0, 0, 0, 0], sureness=1.0)
  folder = tmp_path / 'second'
  folder.mkdir()
  logits = logits_of(np.array([1, 2, 1, 1])) / 2.0 * sureness
  prediction_files.write(folder / 'predictions.parquet', LABELS, truth, logits)
  third = write(tmp_path / 'third', truth, truth)
  found = compared(first, str(folder), third)
  assert [clip.id for clip in found.lost[1]] == ['clip 1', 'clip 2', 'clip 0']
  assert [clip.id for clip in found.won[1]] == ['clip 3']
  assert [label for label, _ in found.lost[1][0].answers] == ['no', 'up', 'no']
  assert found.lost[1][0].answers[1][1] == pytest.approx(np.exp(5) / (np.exp(5) + 2))
  assert found.lost[2] == ()
  assert [(one.first, one.second) for one in found.pairs] == [(0, 1), (0, 2), (1, 2)]


def test_of_few_speakers_there_is_no_interval_and_each_is_shown(tmp_path, capsys):
  truth = np.arange(90) % 3
  speakers = [f's{i % 9}' for i in range(90)]
  paths = [
    write(tmp_path / f'{i}', truth, noisy(truth, 0.8, i), speakers=speakers) for i in range(2)
  ]
  compare.main(paths)
  out = capsys.readouterr().out
  assert 'There are no intervals: of 9 speakers, fewer than 10' in ' '.join(out.split())
  assert '95 % interval' not in out
  assert all(f'\ns{i}  ' in out for i in range(9))


def test_noises_are_drawn_and_are_no_voices(tmp_path, capsys):
  truth = np.arange(240) % 3
  for num_voices, said in (
    (12, 'over 12 speakers and 3 noises'),
    (9, 'of 9 speakers and 3 noises'),
  ):
    names = [f's{i}' for i in range(num_voices)] + [f'_background_noise_/{i}' for i in 'abc']
    speakers = [names[i % len(names)] for i in range(240)]
    paths = [
      write(tmp_path / f'{num_voices}-{i}', truth, noisy(truth, 0.8, i), speakers=speakers)
      for i in range(2)
    ]
    compare.main(paths)
    out = capsys.readouterr().out
    assert f'240 clips of {num_voices} speakers and 3 noises' in out
    assert said in ' '.join(out.split())
    assert ('95 % interval' in out) == (num_voices > 9)
    assert '_background_noise_/a  ' not in out.partition('By speaker')[2].partition('\n\n')[0]


def test_the_interval_is_that_of_the_report(tmp_path):
  truth = np.arange(240) % 3
  # Met in another order than that of their names.
  speakers = [f's{7 * i % 12}' for i in range(240)]
  paths = [
    write(tmp_path / f'{i}', truth, noisy(truth, 0.8, i), speakers=speakers) for i in range(2)
  ]
  reader = parquet_reader.Reader(f'{paths[0]}/predictions.parquet')
  tallied = tally.Tally(reader.header)
  for batch in reader.batches():
    tallied.add(batch)
  found = compared(*paths)
  assert found.accuracy_intervals[0] == tallied.voices.accuracy_interval()


def test_of_clips_with_a_speaker_each_the_interval_is_over_clips(tmp_path, capsys):
  truth = np.arange(40) % 3
  speakers = [f's{i}' for i in range(40)]
  paths = [
    write(tmp_path / f'{i}', truth, noisy(truth, 0.8, i), speakers=speakers) for i in range(2)
  ]
  found = compared(*paths)
  num_right = round(40 * found.accuracies[0])
  assert found.accuracy_intervals[0] == intervals.wilson(num_right, 40)
  assert found.pairs[0].interval is not None
  compare.main(paths)
  assert 'over clips: each has a speaker of its own' in ' '.join(capsys.readouterr().out.split())


def test_of_pictures_nothing_is_said_of_voices(tmp_path, capsys):
  truth = np.arange(60) % 3
  names = [f'{i}.png' for i in range(60)]
  paths = [
    write(tmp_path / name, truth, noisy(truth, 0.8, seed), speakers=names, examples='pictures')
    for seed, name in enumerate('ab')
  ]
  compare.main(paths)
  out = ' '.join(capsys.readouterr().out.split())
  assert 'over pictures: each stands for itself. Where several belong together' in out
  assert 'It takes pictures for independent: with several that belong together it is' in out
  assert 'paired over the same pictures' in out
  assert 'voice' not in out and 'clips' not in out


def test_all_right_and_no_change(tmp_path):
  truth = np.arange(60) % 3
  speakers = [f's{i % 12}' for i in range(60)]
  paths = [write(tmp_path / f'{i}', truth, truth, speakers=speakers) for i in range(2)]
  found = compared(*paths)
  assert found.accuracy_intervals[0] == pytest.approx(intervals.wilson(12, 12))
  assert found.pairs[0].interval == (0.0, 0.0)
  assert found.pairs[0].p_value == 1.0


def test_labels_in_another_order_are_the_same_labels(tmp_path):
  truth = np.array([0, 1, 2, 2])
  first = write(tmp_path / 'a', truth, [0, 1, 2, 0])
  turned = np.array([2, 1, 0])  # LABELS backwards.
  other = write(tmp_path / 'b', turned[truth], turned[[0, 1, 2, 0]], labels=LABELS[::-1])
  found = compared(first, other)
  assert found.accuracies == (0.75, 0.75)
  assert found.pairs[0].first_alone == found.pairs[0].second_alone == 0
  assert found.pairs[0].otherwise_wrong == 0


@pytest.mark.parametrize(
  ('changes', 'sentence'),
  [
    (
      {'ids': ['clip 0', 'clip 1', 'x', 'y']},
      r'a \(test of words, 4 clips\) and b \(test of words, 4 clips\) .* same clips: '
      r"2 clips are in a alone, such as 'clip [23]'; 2 clips are in b alone, such as '[xy]'",
    ),
    (
      {'truth': [0, 1, 2], 'answers': [0, 1, 2]},
      r"1 clip is in a alone, such as 'clip 3'; 0 clips are in b alone\.",
    ),
    (
      {'truth': [0, 1, 2, 1]},
      r"1 clip has another true label in b than in a, such as 'clip 3': 'no' in a, 'yes' in b",
    ),
    (
      {'labels': ('no', 'yes', 'down', 'left')},
      r"labels apart: 1 label is in a alone, such as 'up', 2 labels are in b alone, such as 'down'",
    ),
    (
      {'ids': ['clip 0', 'clip 1', 'clip 2', 'clip 2']},
      r"has 1 clip more than once, such as 'clip 2'",
    ),
    ({'truth': [], 'answers': []}, 'holds no predictions: there is nothing to compare'),
  ],
)
def test_other_test_sets_are_refused(tmp_path, changes, sentence):
  first = write(tmp_path / 'a', [0, 1, 2, 0], [0, 1, 2, 0])
  given_ = {'truth': [0, 1, 2, 0], 'answers': [0, 1, 2, 0], **changes}
  other = write(tmp_path / 'b', given_.pop('truth'), np.array(given_.pop('answers'), int), **given_)
  with pytest.raises(errors.ConfigError, match=sentence):
    read(first, other)


def test_of_many_labels_too(tmp_path):
  labels = [f'w{i}' for i in range(250)]
  truth = np.arange(250)
  paths = [
    write(tmp_path / name, truth, np.roll(truth, shift), labels=labels)
    for name, shift in (('a', 0), ('b', 1))
  ]
  found = compared(*paths)
  assert found.accuracies == (1.0, 0.0)
  assert found.lost[1][0].answers[0][1] == pytest.approx(np.exp(2) / (np.exp(2) + 249), rel=1e-5)


def test_runs_are_called_by_what_tells_them_apart():
  assert compared_runs.names(['/r/a', '/r/b/']) == ['a', 'b']
  assert compared_runs.names(['/r/a/judged/x', '/r/b/judged/x', '/r/c']) == [
    'a/judged/x', 'b/judged/x', 'c'
  ]  # fmt: skip
  assert compared_runs.names(['/a', '/b/a', '/c/b/a']) == ['a', 'b/a', 'c/b/a']


def test_what_differs_between_the_runs_is_said(tmp_path, capsys):
  truth = [0, 1, 2, 0]
  first = write(tmp_path / 'a', truth, truth)
  other = write(
    tmp_path / 'b' / 'judged' / 'test-12345678', truth, truth,
    manifest_sha256='cd' * 32, data_dir='/other', speakers=['x'] * 4,
  )  # fmt: skip
  for path, digest in ((tmp_path / 'a', 'one'), (tmp_path / 'b', 'two')):
    config = {'manifest_sha256': digest, 'data_dir': f'/{digest}'}
    (path / 'config.json').write_text(json.dumps(config), 'utf-8')
  compare.main([first, other])
  out = ' '.join(capsys.readouterr().out.split())
  assert 'judged on different data sets, which hold the same clips' in out
  assert 'A /data, B /other' in out
  assert 'trained on different data sets: A /one, B /two' in out
  assert '4 clips are said to be of another speaker' in out


@pytest.mark.parametrize('form', ['keras', 'skops'])
def test_a_checkpoint_that_is_not_the_runs_is_said(pair, capsys, form):
  folder = run_folder.RunFolder(pair[1])
  os.makedirs(folder.checkpoints_dir)
  folder.write_json(folder.config_file, {'seed': 3})
  path = folder.checkpoint_file('best') if form == 'keras' else folder.baseline_file
  with written_checkpoints.writing(folder, path) as temporary, open(temporary, 'w') as stream:
    stream.write('mine')
  assert not command.run(compare.main, list(pair))
  assert 'is not what the run wrote' not in capsys.readouterr().out
  with open(path, 'w') as stream:
    stream.write('other')
  assert not command.run(compare.main, list(pair))
  said = ' '.join(capsys.readouterr().out.split())
  assert f"B: The checkpoint '{path}' is not what the run wrote" in said
  assert 'The figures are of the model that was judged.' in said


def test_the_page_shows_hostile_names_and_runs_nothing(tmp_path):
  bad = '<script>alert(1)</script>'
  labels, truth = (bad, 'a"b', '数字'), np.arange(36) % 3
  speakers = [f'{i % 12}"><img src=x>' for i in range(36)]
  paths = [
    write(
      tmp_path / f'run <b>{i}', truth, noisy(truth, share, i), labels=labels, speakers=speakers,
      model=bad, dataset=bad,
    )
    for i, share in enumerate((0.5, 0.7))
  ]  # fmt: skip
  output = tmp_path / 'page.html'
  compare.main([*paths, f'--output={output}', '--changes=0'])
  page = exploring.Page(output.read_text('utf-8'))
  assert not {'script', 'img'} & {tag for tag, _ in page.tags}
  assert page.addresses == ['#accuracy', '#differences', '#changed', '#labels', '#speakers']
  assert bad in page.section('labels') and bad in page.section('changed')
  assert '数字' in page.section('labels')
  assert 'img src=x' in page.section('speakers')
  assert 'run <b>1' in page.section('accuracy')
  before = output.read_bytes()
  compare.main([*paths, f'--output={output}'])
  assert output.read_bytes() == before


@pytest.mark.parametrize('form', markup.FORMATS)
def test_every_format_names_every_number(pair, capsys, form):
  compare.main([*pair, f'--format={form}', '--changes=3'])
  out = capsys.readouterr().out
  found = compared(*pair)
  for accuracy in found.accuracies:
    assert f'{100 * accuracy:.1f}' in out
  assert f'{100 * found.pairs[0].difference:.1f}' in out
  assert found.won[1][2].id in out
  assert found.won[1][3].id not in out


def test_of_many_runs_each_is_held_against_the_first(tmp_path, capsys):
  truth = np.arange(30) % 3
  paths = [write(tmp_path / f'{i}', truth, noisy(truth, 0.7, i)) for i in range(6)]
  compare.main([*paths, '--changes=0'])
  out = capsys.readouterr().out
  assert 'F over A' in out
  assert 'C over B' not in out
  assert 'p (Holm)' in out
  assert 'each is held against the first alone' in out


# One text, not two that are equal.
_SAME = 'a'


@pytest.mark.parametrize(
  ('arguments', 'sentence'),
  [
    ([], 'Expected two runs or more, got none. Write: python -m trainer.compare RUN RUN...'),
    (['a'], "Expected two runs or more, got 'a' alone"),
    (['a', 'nowhere'], "'nowhere' is not there"),
    ([_SAME, _SAME], "'a' is named twice. Name two different runs"),
    (['a', './a'], "'./a' is named twice: it is 'a' too"),
    (['a', 'file'], "'file' is a file"),
    (['a', 'empty'], "'empty' holds no run: there is no config.json"),
    (['a', 'unjudged'], '--run_dir=unjudged`. Or name one of unjudged/judged/validation.'),
    (['a', 'b', '--output=nowhere/x.html'], "would lie in 'nowhere', which is not there"),
    (['a', 'b', '--output=empty'], '--output=empty is a folder'),
    (['a', 'b', '--output=b/predictions.parquet'], 'is a file already, and no page'),
    (['a', 'b', '--format=pdf'], '--format: expected one of text, markdown, latex'),
  ],
)
def test_what_cannot_be_compared_is_a_sentence(tmp_path, monkeypatch, capsys, arguments, sentence):
  monkeypatch.chdir(tmp_path)
  for name in 'ab':
    write(tmp_path / name, [0], [0])
  (tmp_path / 'file').touch()
  (tmp_path / 'empty').mkdir()
  (tmp_path / 'unjudged' / 'judged' / 'validation').mkdir(parents=True)
  (tmp_path / 'unjudged' / 'config.json').write_text('{}', 'utf-8')
  assert command.run(compare.main, arguments) == command.EXIT_BAD_INPUT
  error = capsys.readouterr().err
  assert error.startswith('error: ') and sentence in error and error.count('\n') == 1


def test_columns_of_texts_are_cut_where_the_terminal_is_narrow(tmp_path, monkeypatch, capsys):
  truth = [0, 1, 2]
  paths = [write(tmp_path / f'{i}-{"long" * 20}', truth, truth) for i in range(2)]
  monkeypatch.setenv('COLUMNS', '90')
  compare.main(paths)
  lines = capsys.readouterr().out.splitlines()
  assert max(map(len, lines)) <= 90
  assert '…' in lines[2]
