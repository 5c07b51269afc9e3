"""What the answers say: in the order of the corpus, in every form, whole or in windows."""

import csv
import json

import numpy as np
import pytest
from pyarrow import parquet

from beam_jobs.asking import model_place
from beam_jobs.shards import blocks, reading
from exports import clip_input, windows
from features.decoding import clips
from tests.beam_jobs import corpora
from tests.beam_jobs.asking import conftest
from tests.helpers import made_exports


def summary(folder):
  return json.loads((folder / 'answers.json').read_text())


def shards(folder):
  return [folder / shard['file_name'] for shard in summary(folder)['shards']]


def csv_rows(folder):
  return [row for path in shards(folder) for row in csv.DictReader(path.open(newline=''))]


def ids(corpus):
  return sorted(path.relative_to(corpus).as_posix() for path in corpus.rglob('*.wav'))


def expected(export, path, excerpt=None):
  """What the stub says of a clip when it is asked of that alone."""
  clip = clip_input.decode(path.read_bytes(), made_exports.Stub(export).export, excerpt)
  return made_exports.Stub(export).of_clips([clip.samples]).probabilities[0]


def test_every_clip_has_its_own_answer_in_the_order_of_the_corpus(
  ask, corpus, export, tmp_path, stub, monkeypatch
):
  monkeypatch.setattr(blocks, 'BLOCK_CLIPS', 5)  # Some shards are of several, some blocks of two.
  assert ask('--format=csv', '--probabilities=all', '--shard_clips=7', '--batch_clips=4') == 0
  rows = csv_rows(tmp_path / 'answers')
  assert [row['id'] for row in rows] == ids(corpus)
  assert len(shards(tmp_path / 'answers')) == 4
  assert {size for model in stub for size in model.batches} == {4, 2}
  for row in rows:
    wanted = expected(export, corpus / row['id'])
    said = [float(row[f'probability_{label}']) for label in made_exports.LABELS]
    np.testing.assert_allclose(said, wanted, atol=1e-6)
    assert row['answer'] == made_exports.LABELS[int(np.argmax(wanted))]
    assert row['true_label'] == row['id'].partition('/')[0]
    assert row['file'] == row['id']
    assert row['speaker'] == row['id'][len(row['true_label']) + 1 :].partition('_')[0]
    assert (row['start_s'], row['end_s']) == ('', '')


def test_the_forms_say_the_same(ask, tmp_path):
  for form in ('csv', 'jsonl', 'parquet'):
    assert ask(f'--format={form}', '--shard_clips=10', output=form) == 0
  rows = csv_rows(tmp_path / 'csv')
  lines = [json.loads(line) for path in shards(tmp_path / 'jsonl') for line in path.open()]
  table = [
    row for path in shards(tmp_path / 'parquet') for row in parquet.read_table(path).to_pylist()
  ]
  assert len(rows) == len(lines) == len(table) == 24
  for row, line, cells in zip(rows, lines, table, strict=True):
    assert row['id'] == line['id'] == cells['id']
    assert row['speaker'] == line['speaker'] == cells['speaker']
    assert row['label_1'] == line['predictions'][0]['label'] == cells['answer']
    assert row['true_label'] == line['true_label'] == cells['true_label']
    assert float(row['probability_1']) == pytest.approx(cells['top_probabilities'][0], abs=1e-6)
    assert cells['start_s'] is None


def test_the_summary_counts_and_names_the_model(ask, export, tmp_path, capfd):
  assert ask('--format=csv') == 0
  found, rows = summary(tmp_path / 'answers'), csv_rows(tmp_path / 'answers')
  assert found['num_rows'] == found['num_clips'] == 24
  assert found['answers'] == {
    label: sum(row['label_1'] == label for row in rows) for label in found['answers']
  }
  assert list(found['answers'].values()) == sorted(found['answers'].values(), reverse=True)
  assert found['num_labelled'] == 24
  assert found['num_right'] == sum(row['label_1'] == row['true_label'] for row in rows)
  assert found['audio_s'] == pytest.approx(24 * 0.4)
  assert found['model']['labels'] == list(made_exports.LABELS)
  assert len(found['model']['sha256']) == 64
  said = capfd.readouterr().out
  assert f'{found["num_right"]} of 24 with a true label' in said


def test_a_label_that_is_no_text_is_said_as_it_is_called(ask, tmp_path, capfd):
  made_exports.make(tmp_path / 'odd', labels=('\udcff', 'a\udcfe', 'yes'))
  assert ask('--probabilities=all', model=tmp_path / 'odd') == 0
  said = json.loads(
    (tmp_path / 'answers' / 'answers.json').read_bytes().decode(errors='surrogateescape')
  )
  assert set(said['answers']) <= {'\udcff', 'a\udcfe', 'yes'}
  (path,) = (tmp_path / 'answers').glob('*.parquet')
  assert set(parquet.read_table(path)['answer'].to_pylist()) <= {'\\udcff', 'a\\udcfe', 'yes'}
  assert 'answers' in capfd.readouterr().out


def test_clips_without_labels_have_none(ask, tmp_path):
  assert ask('--source=unlabelled', '--format=csv') == 0
  assert 'true_label' not in csv_rows(tmp_path / 'answers')[0]
  found = summary(tmp_path / 'answers')
  assert (found['num_labelled'], found['num_rows']) == (0, 24)


def test_none_of_these_is_an_answer_where_the_export_has_a_threshold(ask, tmp_path):
  made_exports.make(tmp_path / 'careful', none_score='softmax', none_threshold=0.4)
  assert ask('--format=jsonl', model=tmp_path / 'careful') == 0
  lines = [json.loads(line) for path in shards(tmp_path / 'answers') for line in path.open()]
  weak = [line['predictions'][0]['probability'] < 0.4 for line in lines]
  assert [line['none_of_these'] for line in lines] == weak
  assert summary(tmp_path / 'answers')['answers'].get('none of these', 0) == sum(weak)


def test_a_clip_that_is_longer_than_the_model_hears_is_counted(ask, corpus, tmp_path, capfd):
  corpora.write_wav(corpus / 'yes' / 'ann_9.wav', seconds=3)
  assert ask() == 0
  assert summary(tmp_path / 'answers')['num_cut'] == 1
  assert '--window_s=0.5 hears all' in ' '.join(capfd.readouterr().out.split())


@pytest.fixture
def recordings(tmp_path):
  folder = tmp_path / 'hours'
  for i, seconds in enumerate((1.3, 0.2, 1.0)):
    corpora.write_wav(folder / f'{i}.wav', seconds=seconds, seed=i)
  return folder


def test_recordings_are_heard_in_windows_and_opened_once(
  ask, recordings, export, tmp_path, monkeypatch
):
  opened = []
  monkeypatch.setattr(
    reading, 'opened', lambda uri, found=reading.opened: opened.append(uri) or found(uri)
  )
  flags = ('--source=unlabelled', f'--input={recordings}', '--window_s=0.5', '--hop_s=0.25')
  assert ask(*flags, '--format=csv', '--probabilities=all', '--batch_clips=3') == 0
  rows = csv_rows(tmp_path / 'answers')
  spans = [(row['id'], float(row['start_s']), float(row['end_s'])) for row in rows]
  assert spans == [
    ('0.wav', 0.0, 0.5), ('0.wav', 0.25, 0.75), ('0.wav', 0.5, 1.0), ('0.wav', 0.75, 1.25),
    ('0.wav', 0.8, 1.3), ('1.wav', 0.0, 0.2), ('2.wav', 0.0, 0.5), ('2.wav', 0.25, 0.75),
    ('2.wav', 0.5, 1.0),
  ]  # fmt: skip
  assert len(opened) == 3
  cut = windows.Windows(window_s=0.5, hop_s=0.25)
  wanted = [
    expected(export, recordings / f'{i}.wav', excerpt)
    for i, seconds in enumerate((1.3, 0.2, 1.0))
    for excerpt in cut.excerpts(seconds)
  ]
  said = [[float(row[f'probability_{label}']) for label in made_exports.LABELS] for row in rows]
  np.testing.assert_allclose(said, wanted, atol=1e-5)
  assert summary(tmp_path / 'answers')['num_clips'] == 3


def test_a_recording_that_breaks_in_the_middle_has_no_answer_at_all(
  ask, recordings, tmp_path, monkeypatch
):
  parts = clips.decode_parts

  def breaking(data, *args, **more):
    for i, clip in enumerate(parts(data, *args, **more)):
      if clip.source_s == 0.5 and i == 2 and len(data) > 20_000:
        raise clips.ClipError('truncated', 'Wanted more.')
      yield clip

  monkeypatch.setattr(clips, 'decode_parts', breaking)
  flags = ('--source=unlabelled', f'--input={recordings}', '--window_s=0.5')
  assert ask(*flags, '--format=csv', '--max_reject_fraction=0.4') == 0
  assert {row['id'] for row in csv_rows(tmp_path / 'answers')} == {'1.wav', '2.wav'}
  (line,) = (tmp_path / 'answers' / 'rejects.jsonl').open()
  assert json.loads(line)['utterance_id'] == '0.wav'


def test_parts_of_a_table_are_cut_into_windows_of_the_part(ask, recordings, tmp_path):
  table = tmp_path / 'clips.csv'
  table.write_text('path,label,start,duration,id\n0.wav,yes,0.2,1.0,a\n2.wav,no,0.1,0.3,b\n')
  source = (f'--source=table:root={recordings}', f'--input={table}', '--format=csv')
  assert ask(*source, output='parts') == 0
  spans = [(r['id'], r['file'], r['start_s'], r['end_s']) for r in csv_rows(tmp_path / 'parts')]
  assert spans == [('a', '0.wav', '0.2', '1.2'), ('b', '2.wav', '0.1', '0.4')]
  assert ask(*source, '--window_s=0.4', output='cut') == 0
  spans = [(row['id'], row['start_s'], row['end_s']) for row in csv_rows(tmp_path / 'cut')]
  assert spans == [
    ('a', '0.2', '0.6'), ('a', '0.6', '1.0'), ('a', '0.8', '1.2'), ('b', '0.1', '0.4'),
  ]  # fmt: skip


def test_pictures_are_answered_too(ask, tmp_path):
  from PIL import Image

  for i, label in enumerate(('round', 'square', 'round')):
    path = tmp_path / 'pictures' / label / f'{i}.png'
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new('RGB', (30, 20), (80 * i, 10, 200)).save(path)
  made_exports.make(
    tmp_path / 'seeing', audio=None, feature='image:height=8,width=8', labels=('round', 'square')
  )
  flags = ('--source=images', f'--input={tmp_path / "pictures"}', '--format=csv')
  assert ask(*flags, model=tmp_path / 'seeing') == 0
  rows = csv_rows(tmp_path / 'answers')
  assert [row['id'] for row in rows] == ['round/0.png', 'round/2.png', 'square/1.png']
  assert [row['true_label'] for row in rows] == ['round', 'round', 'square']


def test_a_submission_has_each_file_once_in_its_order(ask, tmp_path, capfd):
  made_exports.make(tmp_path / 'words', labels=('yes', 'no', 'wow'))
  flat = tmp_path / 'audio'
  for i in range(24):
    corpora.write_wav(flat / f'clip_{(7 * i) % 24:02d}.wav', seed=i)
  (flat / 'clip_05.wav').write_bytes(b'no audio')
  flags = ('--source=unlabelled', f'--input={flat}', '--format=kaggle', '--shard_clips=5')
  assert ask(*flags, model=tmp_path / 'words') == 0
  rows = list(csv.reader((tmp_path / 'answers' / 'submission.csv').open(newline='')))
  assert rows[0] == ['fname', 'label']
  assert [name for name, _ in rows[1:]] == [f'clip_{i:02d}.wav' for i in range(24)]
  assert {label for _, label in rows[1:]} <= {'yes', 'no', 'unknown'}
  assert dict(rows[1:])['clip_05.wav'] == 'unknown'
  assert 'wow' in capfd.readouterr().err


def test_a_submission_of_two_files_of_one_name_is_refused_before_one_is_heard(
  ask, tmp_path, capfd, stub
):
  made_exports.make(tmp_path / 'words', labels=('yes', 'no'))
  assert ask('--source=unlabelled', '--format=kaggle', model=tmp_path / 'words') == 2
  sentence = capfd.readouterr().err
  assert 'would call two clips' in sentence and 'predict one folder at a time' in sentence
  assert '--submission_names' not in sentence  # This program has no such flag.
  assert not stub and not list((tmp_path / 'answers').glob('a*'))


def test_clips_of_any_length_make_batches_of_about_one_size(ask, recordings, tmp_path, stub):
  audio = made_exports.audio_schema.AudioSpec(sample_rate_hz=8_000, clip_s=0, max_clip_s=60)
  made_exports.make(tmp_path / 'any', audio=audio, most_samples=0)
  corpora.write_wav(recordings / '3.wav', seconds=9)
  flags = ('--source=unlabelled', f'--input={recordings}', '--batch_clips=4')
  assert ask(*flags, model=tmp_path / 'any') == 0
  # As if each were of 4 s: three of up to 1.3 s, and then one of 9 s by itself.
  assert stub[-1].batches == [3, 1]


def test_the_model_of_an_export_is_asked_in_tensorflow_and_loaded_once(
  ask, corpus, export, tmp_path, monkeypatch
):
  import tensorflow as tf

  weights = np.random.default_rng(0).normal(0, 1, (4_000, 3)).astype(np.float32)
  module = tf.Module()
  samples = tf.TensorSpec([None, None], tf.float32, 'samples')
  lengths = tf.TensorSpec([None], tf.int32, 'num_samples')

  @tf.function(input_signature=[samples, lengths])
  def of_clips(samples, num_samples):
    logits = tf.matmul(samples, weights) + 0.0 * tf.cast(num_samples, tf.float32)[:, None]
    return {
      'logits': logits,
      'probabilities': tf.nn.softmax(logits),
      'none_of_these': tf.zeros_like(num_samples, tf.bool),
    }

  @tf.function(input_signature=[])
  def names():
    return {'labels': tf.constant(made_exports.LABELS)}

  module.of_clips, module.names = of_clips, names
  tf.saved_model.save(
    module, str(export / 'saved_model'), signatures={'clips': of_clips, 'labels': names}
  )
  loads = []
  monkeypatch.setattr(model_place, 'loaded', conftest.REALLY_LOADED)
  monkeypatch.setattr(
    model_place, '_load', lambda path, load=model_place._load: loads.append(path) or load(path)
  )
  assert ask('--format=csv', '--probabilities=all', '--shard_clips=7', '--model_threads=2') == 0
  assert len(loads) == 1
  for row in csv_rows(tmp_path / 'answers'):
    clip = clip_input.decode((corpus / row['id']).read_bytes(), made_exports.Stub(export).export)
    logits = np.pad(clip.samples, (0, 4_000 - len(clip.samples))) @ weights
    odds = np.exp(logits - logits.max())
    said = [float(row[f'probability_{label}']) for label in made_exports.LABELS]
    np.testing.assert_allclose(said, odds / odds.sum(), atol=1e-5)
