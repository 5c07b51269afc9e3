"""The page of a report, read as a browser would."""

import dataclasses
import json
import os
import re
import shutil

import numpy as np
import PIL.Image
import pytest
from scipy import special

from tests.helpers import datasets, exploring, reports
from tfrecords import reader
from tfrecords.wire import codec
from trainer.judging.report import page, page_values, shown_clips, wrong_clips

LABELS = [
  '<script>alert(1)</script>',
  '</script><i>',
  '零',
  '"quoted"',
  "it's",
  'a\u202eb',
  'x\udcff',
]
SPEAKERS = ['<img src=x onerror=alert(1)>', '"quoted"', "o'neil", '王芳']


def text_of(run):
  with open(run.judgement.page_file, encoding='utf-8') as stream:
    return stream.read()


@pytest.fixture(scope='module')
def made(tmp_path_factory):
  run, report = reports.made(
    tmp_path_factory.mktemp('made'),
    LABELS,
    num_clips=140,
    speakers=SPEAKERS,
    num_files=100,
    calibration=reports.CALIBRATION,
    none_of_these=reports.NONE_OF_THESE,
    folds=reports.FOLDS,
    mean_over_folds={'accuracy': 0.8, 'low': 0.6, 'high': 0.95},
  )
  return text_of(run), report


@pytest.fixture(scope='module')
def parsed(made):
  return exploring.Page(made[0])


def test_no_name_becomes_a_tag_and_nothing_is_fetched(made, parsed):
  tags = [tag for tag, _ in parsed.tags]
  assert tags.count('script') == 2
  assert 'i' not in [tag for tag, attributes in parsed.tags if not attributes]
  assert 'img' not in tags
  assert all(address.startswith(('data:', '#')) for address in parsed.addresses)
  assert '<img src=x onerror=alert(1)>' in parsed.section('speakers')
  for name in (*LABELS[:5], 'a�b', 'x?'):
    assert name in parsed.section('labels')
  assert reports.values_of(made[0])['matrix']['names'] == [*LABELS[:5], 'a�b', 'x?']


def test_numbers_are_those_of_the_report(made, parsed):
  text, report = made
  assert f'{100 * report["accuracy"]:.1f} % accuracy on test' in parsed.text
  assert f'{report["num_mistakes"]:,} mistakes' in parsed.text
  worst = min(report['speakers'], key=lambda row: row['accuracy'])
  table = parsed.section('speakers').partition('accuracy 95 % right clips ')[2]
  assert table.startswith(f'{worst["speaker"]} {100 * worst["accuracy"]:.1f} % ')
  pair = report['worst_mixups'][0]
  assert f'{pair["count"]} {100 * pair["share_of_label"]:.1f} %' in parsed.section('confusion')
  matrix = reports.values_of(text)['matrix']
  dense = np.zeros((len(LABELS), len(LABELS)), int)
  for truth, said, count in matrix['cells']:
    dense[truth, said] = count
  assert np.diag(dense).sum() == 140 - report['num_mistakes']
  assert dense.sum(axis=1).tolist() == matrix['totals'] == [20] * 7


def test_mistakes_are_heard_and_seen_where_their_recordings_are(made, parsed):
  found = parsed.section('wrong')
  shown = min(wrong_clips.MAX_CLIPS, made[1]['num_mistakes'])
  tags = [tag for tag, _ in parsed.tags]
  assert 0 < tags.count('audio') < shown  # The last forty clips have no recording.
  assert tags.count('article') == shown
  assert len(re.findall(r' true ', found)) == shown
  assert 'recordings are not on this machine' in found
  assert re.search(r'In this page: sound 0\.\d\d MB \(at most 8\.39 MB\), pictures 0', found)


def test_what_the_run_was_stands_in_it(parsed):
  assert 'best: 2' in parsed.section('curves')
  assert "python -m trainer '--data=a <b>' --epochs=3" in parsed.section('run')
  assert 'augment gain, speed' in parsed.section('run')
  assert 'numpy 2.4.0' in parsed.section('run')
  assert 'rejected: not_audio 2' in parsed.section('data')
  assert 'Labels <b>look</b> alike.' in parsed.section('summary')


def test_what_other_rooms_found_is_shown(parsed):
  assert 'ECE 8.0 %' in parsed.section('calibration')
  assert 'at temperature 1.62' in parsed.section('calibration')
  assert 'fitted on 90 of validation' in parsed.section('calibration')
  assert '0.912 40.0 % –' in parsed.section('none')
  assert 'unknown, silence' in parsed.section('none')
  assert '80.0 % , 95 % interval 60.0 % to 95.0 %' in parsed.section('folds')
  assert '<b>bob' in parsed.section('folds')


@pytest.mark.parametrize(
  ('accuracy', 'said'),
  [(0.634, 'most of these will be its own mistakes'), (0.9, 'the label may be wrong')],
)
def test_labels_are_doubted_where_the_model_is_good_alone(accuracy, said):
  found = page_values.of_mistakes({'accuracy': accuracy, 'split': 'test'})
  assert f'right on {100 * accuracy:.1f} % of the test split: ' in found
  assert said in found


def test_a_report_alone_is_enough(tmp_path):
  run, report = reports.made(tmp_path, ['no', 'yes'], num_clips=9, speakers=['ann'])
  for path in (run.config_file, run.history_file, os.path.join(run.path, 'manifest.json')):
    os.remove(path)
  shutil.rmtree(tmp_path / 'corpus')
  page.write(run, run.judgement, report)
  parsed = exploring.Page(text_of(run))
  assert not {'calibration', 'none', 'folds', 'curves', 'data'} & set(parsed.ids)
  assert 'no clip can be heard or seen' in parsed.section('wrong')


def test_noises_are_no_speakers_of_a_page_nor_of_one_of_an_early_report(tmp_path):
  speakers = ['ann', 'bob', '_background_noise_/hum']
  run, report = reports.made(tmp_path, ['no', 'yes'], num_clips=9, speakers=speakers)
  early = {key: value for key, value in report.items() if key not in ('noises', 'num_noises')}
  early['speakers'] = sorted(
    [*report['speakers'], *report['noises']], key=lambda one: one['speaker']
  )
  early['num_speakers'] = 3
  for one in (report, early):
    page.write(run, run.judgement, one)
    said = exploring.Page(text_of(run)).section('speakers')
    assert '2 speakers, between' in said
    assert 'Of 3 clips from 1 recording of noise' in ' '.join(said.split())
    assert '_background_noise_' not in said


def test_the_same_values_give_the_same_bytes_and_a_refusal_leaves_what_was(tmp_path, monkeypatch):
  run, report = reports.made(tmp_path, ['no', 'yes'], num_clips=9, speakers=['ann'], num_files=3)
  before = text_of(run)
  page.write(run, run.judgement, report)
  assert text_of(run) == before
  monkeypatch.setattr(page.rendering, 'render', lambda *_, **__: 1 / 0)
  with pytest.raises(ZeroDivisionError):
    page.write(run, run.judgement, report)
  assert text_of(run) == before


def test_of_many_labels_and_speakers_the_page_stays_small(tmp_path):
  labels = [f'label {i}' for i in range(1_200)]
  speakers = [f'speaker {i}' for i in range(1_100)]
  run, _ = reports.made(tmp_path, labels, num_clips=2_400, speakers=speakers)
  text = text_of(run)
  parsed = exploring.Page(text)
  assert len(text) < 2_000_000
  assert 'The 1,000 worst of 1,200 are listed here' in parsed.section('labels')
  assert 'The 1,000 worst of 1,100 are listed here' in parsed.section('speakers')
  assert 'the 40 of 1,200 labels that are mixed up most' in parsed.section('confusion')
  matrix = reports.values_of(text)['matrix']
  assert len(matrix['names']) == 40
  assert matrix['totals'] == [2] * 40
  assert 'detection' not in parsed.ids  # Not all logits are kept.


def test_sound_and_pictures_are_bounded(tmp_path, monkeypatch):
  monkeypatch.setattr(shown_clips, 'MAX_AUDIO_BYTES', 60_000)
  monkeypatch.setattr(shown_clips, 'MAX_PICTURE_BYTES', 100_000)
  run, _ = reports.made(tmp_path, ['no', 'yes', 'go'], num_clips=60, speakers=['ann'], num_files=60)
  text = text_of(run)
  parsed = exploring.Page(text)
  assert sum(len(a) for a in parsed.addresses if a.startswith('data:audio')) <= 60_000
  assert sum(len(a) for a in parsed.addresses if a.startswith('data:image')) <= 100_000
  assert 'left without a player' in parsed.section('wrong')
  assert 'left without a picture' in parsed.section('wrong')


def test_labels_as_detectors_are_those_of_the_report(made):
  shown = reports.values_of(made[0])['detection']
  row = made[1]['labels'][2]
  found = shown['labels'][2]
  assert found['label'] == row['label'] == '零'
  at_80 = row['detection']['at_recall']['0.8']
  assert found['alarms'][1] == {
    'wanted': '80 %',
    'recall': f'{100 * at_80["recall"]:.1f} %',
    'threshold': f'{at_80["threshold"]:.4g}',
    'count': f'{at_80["num_false_alarms"]:,}',
    'per_hour': f'{at_80["false_alarms_per_hour"]:,.4g}',
  }
  alarms, misses = (
    np.clip(row['detection']['det'][name], 0.0005, 0.95)
    for name in ('false_alarms', 'false_rejections')
  )
  points = special.ndtr(np.array(found['curve']))
  np.testing.assert_allclose(points, np.stack([alarms, misses], axis=1), atol=1e-3)
  f1 = [row['f1'] for row in made[1]['labels']]
  assert shown['worst'] == f1.index(min(f1))


def test_a_baseline_shows_its_candidates_in_place_of_epochs():
  scores = {'loss': 0.5, 'accuracy': 0.9}
  history = [{'model': 'svm:c=1.0', 'train_s': 2.0, 'validation': scores}]
  found = page_values.learned(history, {})
  assert found['candidates'] == history
  assert page_values.learned([], {}) is None
  assert json.dumps(found['drawn']) == '[]'


def wrong(clip_id, **changes):
  fields = {'speaker': 'ann', 'file': '', 'start_s': 0.0, 'end_s': 0.0, 'fields': '{}'}
  told = {'augmentation': '', 'label': 'no', 'loss': 3.0, 'label_probability': 0.1}
  return wrong_clips.WrongClip(
    clip_id=clip_id, top=(('yes', 0.9),), **{**fields, **told, **changes}
  )


@pytest.mark.parametrize(
  ('feature', 'audio', 'shown'),
  [
    (datasets.LOG_MEL, datasets.AUDIO, {'panel'}),
    (datasets.WAVEFORM, datasets.AUDIO, {'panel', 'audio'}),
    (datasets.PICTURE, None, {'picture'}),
  ],
)
def test_where_recordings_are_gone_what_is_stored_is_shown(tmp_path, feature, audio, shown):
  dataset = datasets.write_dataset(tmp_path, features=[feature], audio=audio)
  path = os.path.join(tmp_path, dataset.shards_of('test')[0].file_name)
  version = dataset.record_version
  ids = [
    codec.decode(data, dataset.features, record_version=version).utterance_id
    for data in reader.read_records(path)
  ]
  clips = [wrong(ids[7]), wrong('of no record'), wrong(ids[0])]
  found = shown_clips.gallery(clips, dataset, data_dir=str(tmp_path), split='test')
  for one, is_there in zip(found.clips, (True, False, True), strict=True):
    assert {name for name in ('audio', 'panel', 'picture') if getattr(one, name)} == (
      shown if is_there else set()
    )
  assert found.clips[0] != found.clips[2]


def test_pictures_stand_in_place_of_players(tmp_path):
  PIL.Image.new('RGB', (8, 8), (0, 200, 0)).save(tmp_path / 'a.png')
  dataset = dataclasses.replace(
    datasets.write_dataset(tmp_path / 'data', features=[datasets.PICTURE], audio=None),
    config={'input': str(tmp_path)},
  )
  found = shown_clips.gallery([wrong('a', file='a.png')], dataset, data_dir='/gone', split='test')
  assert found.clips[0].picture.startswith('data:image/png')
  assert not found.clips[0].audio
