"""The page of a report in Chromium: what its script does, and how it looks."""

import pytest

from tests.helpers import page_layout, reports

pytestmark = pytest.mark.browser

NAMES = ['<script>alert(1)</script>', '"two"', '三', "it's"]
LABELS = [f'{NAMES[i % 4]} {i}' for i in range(200)]
TILES = 'document.querySelectorAll(".tile").length'
SPEAKERS = [f'voice "{i}"' for i in range(1_000)]


@pytest.fixture(scope='module')
def made(tmp_path_factory):
  return reports.made(
    tmp_path_factory.mktemp('made'),
    LABELS,
    num_clips=4_000,
    speakers=SPEAKERS,
    num_files=2_000,
    calibration=reports.CALIBRATION,
    none_of_these=reports.NONE_OF_THESE,
    folds=reports.FOLDS,
    mean_over_folds={'accuracy': 0.8, 'low': 0.6, 'high': 0.95},
  )


@pytest.fixture(scope='module')
def page(chromium, made):
  return chromium.opened(made[0].judgement.page_file)


@pytest.mark.parametrize('dark', [False, True])
@pytest.mark.parametrize('width', [1280, 400])
def test_it_stands_alone_and_fits(chromium, made, width, dark):
  found = chromium.opened(made[0].judgement.page_file, width=width, dark=dark)
  assert not found.is_too_wide()
  lightness = found.evaluate(
    'getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).reduce((a, b) => a + +b, 0)'
  )
  assert (lightness < 200) == dark
  assert found.errors == []
  assert found.requests == []
  assert found.evaluate(TILES) == 7
  assert page_layout.misfits(found, most_columns=100 if width > 1_000 else 4) == []
  # What is wider than the window is pushed to the side in a box of its own.
  assert found.evaluate(
    'matrix.scrollWidth > matrix.clientWidth && matrix.clientWidth < window.innerWidth'
  )
  found.close()


@pytest.mark.parametrize('width', [1280, 400])
def test_hostile_names_are_shown_and_fit(chromium, tmp_path, width):
  names = [*NAMES, 'n' * 200, 'a long name, ' * 15, '三' * 60, 'مرحبا بالعالم ' * 6, 'a\u202eb']
  run, _ = reports.made(
    tmp_path,
    [f'{name}{i}' for i, name in enumerate(names)],
    num_clips=180,
    speakers=[f'{name} {i}' for i in range(2) for name in names],
    calibration=reports.CALIBRATION,
    folds=reports.FOLDS,
  )
  found = chromium.opened(run.judgement.page_file, width=width)
  assert not found.is_too_wide()
  assert found.errors == []
  assert page_layout.misfits(found, most_columns=100 if width > 1_000 else 4) == []
  shown = found.evaluate('document.getElementById("labels").textContent')
  assert all(name.replace('\u202e', '�').strip() in shown for name in names)
  found.close()


def test_players_have_sound(page):
  lengths = page.evaluate(
    'Promise.all([...document.querySelectorAll("audio")].map(a => a.readyState ? a.duration : '
    'new Promise(done => { a.onloadedmetadata = () => done(a.duration); a.load(); })))'
  )
  assert lengths
  assert all(length == pytest.approx(0.5) for length in lengths)


def rows(page, section):
  return page.evaluate(
    f'[...document.querySelectorAll("#{section} .table tbody tr:not([hidden])")]'
    '.map(row => [...row.cells].map(cell => cell.textContent.trim()))'
  )


def test_tables_are_short_sorted_and_searched(page, made):
  entries = made[1]['labels']
  assert len(rows(page, 'labels')) == 10
  page.evaluate('document.querySelector("#labels .all").click()')
  found = rows(page, 'labels')
  assert {row[0] for row in found} == set(LABELS)
  assert [row[1] for row in found] == sorted(row[1] for row in found)
  heads = page.evaluate(
    '[...document.querySelectorAll("#labels th")].map(head => head.textContent)'
  )
  recall = heads.index('recall')
  for order in (1, -1):
    page.evaluate(f'document.querySelectorAll("#labels th button")[{recall}].click()')
    found = [float(row[recall]) for row in rows(page, 'labels')]
    assert found == sorted((round(entry['recall'], 3) for entry in entries), reverse=order < 0)
  page.evaluate('document.querySelectorAll("#labels th button")[0].click()')
  numbers = [int(row[0].split()[-1]) for row in rows(page, 'labels') if row[0].startswith('三')]
  assert numbers == sorted(numbers)  # 三 10 stands behind 三 2.
  page.evaluate(
    '(() => { const box = document.querySelector("#speakers input"); box.value = \'"77\'; '
    'box.dispatchEvent(new Event("input")); })()'
  )
  assert {row[0] for row in rows(page, 'speakers')} == {
    f'voice "{i}"' for i in (77, *range(770, 780))
  }


def test_the_matrix_is_switched_and_sorted(page, made):
  shown = reports.values_of(open(made[0].judgement.page_file, encoding='utf-8').read())['matrix']
  cell = 'document.querySelectorAll("#matrix tbody tr")[0].cells[1]'
  right = next(count for truth, said, count in shown['cells'] if truth == said == 0)
  assert page.evaluate(f'{cell}.textContent') == str(right)
  choose = (
    'const set = (id, value) => { const box = document.getElementById(id); box.value = value;'
  )
  choose += ' box.dispatchEvent(new Event("change")); };'
  page.evaluate(f'(() => {{ {choose} set("matrix-unit", "share"); }})()')
  assert float(page.evaluate(f'{cell}.textContent')) == pytest.approx(
    100 * right / shown['totals'][0], abs=0.51
  )
  page.evaluate(f'{cell}.click()')
  said = page.evaluate('document.getElementById("matrix-said").textContent')
  name = LABELS[0]
  assert said.startswith(f'{name} was taken for {name} {right} of {shown["totals"][0]} times')
  page.evaluate(f'(() => {{ {choose} set("matrix-order", "wrong"); }})()')
  first = page.evaluate('document.querySelector("#matrix tbody th").textContent')
  mistakes = {
    entry['label']: entry['num_examples'] - entry['num_correct'] for entry in made[1]['labels']
  }
  assert mistakes[first] == max(mistakes.values())


def test_a_label_is_chosen_for_its_curve(page):
  curve = 'document.querySelector("#det polyline").getAttribute("points")'
  first = page.evaluate(curve)
  assert len(first.split()) > 2
  page.evaluate(
    '(() => { const box = document.getElementById("detection-label"); '
    'box.value = (+box.value + 1) % 200; box.dispatchEvent(new Event("change")); })()'
  )
  assert page.evaluate(curve) != first
  assert page.evaluate('document.querySelectorAll("#alarms tbody tr").length') == 4


def test_of_nearly_no_clips_there_is_a_page_too(chromium, tmp_path):
  run, _ = reports.made(tmp_path, ['no', 'yes'], num_clips=2, speakers=['ann'])
  found = chromium.opened(run.judgement.page_file, width=400)
  assert found.errors == []
  assert not found.is_too_wide()
  found.close()
