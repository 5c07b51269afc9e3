"""The whole round in Chromium: found, marked with keys, saved, featurized again, better."""

import csv

import pytest

from schemas import command
from tests.helpers import out_of_fold, page_layout
from tests.trainer.suspects import test_suspects as corpus_lib
from tfrecords import manifest_file
from trainer import suspects
from trainer.suspects import stored_clips

pytestmark = pytest.mark.browser


@pytest.fixture(scope='module')
def made(tmp_path_factory):
  folder = tmp_path_factory.mktemp('round')
  wrong = corpus_lib.write_corpus(folder / 'corpus')
  corpus_lib.featurized(folder / 'corpus', folder / 'data')
  out_of_fold.write(folder / 'run', folder / 'data', lambda clip: int(clip.fields['take']))
  assert command.run(suspects.main, [f'--run_dir={folder}/run', '--max_clips=12']) == 0
  return folder, wrong


def labels_of(data_dir):
  manifest = manifest_file.load(str(data_dir))
  records = stored_clips.records(str(data_dir), manifest, manifest.split_names())
  return {clip.utterance_id: manifest.labels[clip.label] for clip in records}


def marks(page):
  return page.evaluate('[...document.querySelectorAll(".suspect output")].map(o => o.textContent)')


@pytest.mark.parametrize('width', [1280, 400])
@pytest.mark.parametrize('dark', [False, True])
def test_it_stands_alone_and_fits(chromium, made, width, dark):
  page = chromium.opened(made[0] / 'run' / 'suspects.html', width=width, dark=dark)
  assert not page.is_too_wide()
  assert page.evaluate('[...document.querySelectorAll("audio")].length') == 12
  assert page_layout.misfits(page, most_columns=100 if width > 1_000 else 4) == []
  assert page.errors == []
  assert page.requests == []
  page.close()


def truth_of(name):
  return corpus_lib.LABELS[int(name[0])] if name[0].isdigit() else corpus_lib.HOSTILE


def mark_all(page, rows, wrong):
  """Presses the keys for the clips of a page; returns what is to be saved, and what is said."""
  expected, said = {}, []
  for row in rows:
    name = row['id']
    truth = truth_of(name)
    if name in wrong['flipped']:
      page.press('s')
      expected[name] = ('relabel', truth)
    elif name in wrong['silent']:
      page.press('w')
      expected[name] = ('leave_out', '')
    elif name in wrong['same']:
      page.press('n')
      page.tab.keyboard.insert_text(f' {truth} ')  # As somebody types it.
      page.press('Enter')
      expected[name] = ('relabel', truth)
    else:
      page.press('r')
      expected[name] = ('keep', '')
    action, label = expected[name]
    said.append({'keep': 'right', 'leave_out': 'wrong: left out'}.get(action, f'it is {label}'))
  return expected, said


def test_found_marked_saved_featurized_again_and_better(chromium, made, tmp_path):
  folder, wrong = made
  with open(folder / 'run' / 'suspects.csv', encoding='utf-8', newline='') as stream:
    rows = list(csv.DictReader(stream))[:12]
  page = chromium.opened(folder / 'run' / 'suspects.html')
  expected, said = mark_all(page, rows, wrong)
  assert {name for names in wrong.values() for name in names} - set(expected) <= {*wrong['clipped']}
  assert marks(page) == said
  # A mark that was taken away, and one that was changed.
  page.press('u')
  assert marks(page)[-1] == ''
  for key in ('r', 'k', 'ArrowUp', 'j'):
    page.press(key)
  assert marks(page) == said
  page.go(page.url)  # Who comes back finds the marks.
  assert marks(page) == said
  assert page.evaluate('document.getElementById("progress").textContent') == '12 of 12 marked'
  saved = page.saved('#save', tmp_path)
  with open(saved, encoding='utf-8', newline='') as stream:
    found = {row['id']: (row['action'], row['label']) for row in csv.DictReader(stream)}
  assert found == expected
  assert page.errors == []
  page.close()

  corpus_lib.featurized(folder / 'corpus', tmp_path / 'data', f'--corrections={saved}')
  before, after = labels_of(folder / 'data'), labels_of(tmp_path / 'data')
  assert set(before) - set(after) == {*wrong['silent']}
  num_wrong = [
    sum(label != truth_of(name) for name, label in labels.items()) for labels in (before, after)
  ]
  assert num_wrong == [3, 0]
  worse, better = (
    out_of_fold.write(tmp_path / name, data, lambda clip: int(clip.fields['take']))
    for name, data in (('worse', folder / 'data'), ('better', tmp_path / 'data'))
  )
  assert better > worse
