"""Training on raw files: listing, splits, decoding in the graph, whole runs."""

import csv
import importlib.util
import io
import json
import os
import unicodedata

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from beam_jobs import rules
from beam_jobs.planning import splitting
from beam_jobs.sources import corpus, table
from features.decoding import clips
from schemas import errors, splits
from tests.helpers import signals, wav_files
from tfrecords.pipeline import batch_request, parts, shares
from trainer import config, predict, preflight, run
from trainer.data.raw import batches as batches_lib
from trainer.data.raw import files as files_lib
from trainer.data.raw import table as table_lib
from trainer.judging import evaluation

RATE_HZ = 8_000
LABELS = ('low', 'middle', 'high')
HZ = {'low': 300, 'middle': 900, 'high': 2_400}


def pcm(label, seed, *, num_samples=4_000, channels=1):
  rng = np.random.default_rng(seed)
  tone = signals.sine(num_samples, sample_rate_hz=RATE_HZ, hz=HZ[label] + rng.uniform(-40, 40))
  stacked = np.stack([tone * 0.3 + rng.normal(0, 0.02, num_samples) for _ in range(channels)], 1)
  return np.round(stacked * 32767).astype(np.int16)


def write_corpus(folder, *, speakers=10, takes=3):
  """Writes WAV files of several lengths and channels, and a table of them; returns its path."""
  rows = [('path', 'label', 'speaker_id', 'age')]
  for speaker in range(speakers):
    for take in range(takes):
      label = LABELS[take % 3]
      path = f'audio/{label}_s{speaker}_{take}.wav'
      num_samples = (4_000, 4_700, 3_100)[(take + speaker) % 3]
      samples = pcm(label, 100 * speaker + take, num_samples=num_samples, channels=1 + take % 2)
      (folder / 'audio').mkdir(exist_ok=True)
      (folder / path).write_bytes(wav_files.pcm16(samples, sample_rate_hz=RATE_HZ))
      rows.append((path, label, f's{speaker}', '30'))
  return write_table(folder / 'clips.csv', rows)


def write_table(path, rows):
  with open(path, 'w', newline='', encoding='utf-8') as stream:
    csv.writer(stream).writerows(rows)
  return f'table:{path}'


@pytest.fixture(scope='module')
def data(tmp_path_factory):
  return write_corpus(tmp_path_factory.mktemp('corpus'))


def read(data, split='train', **settings):
  loaded = files_lib.load(data, clip_s=0.5)
  asked = {
    'data_dir': data,
    'manifest': loaded.manifest,
    'split': split,
    'feature_names': ('waveform',),
    'batch_size': 4,
    'with_ids': True,
  }
  return batches_lib.read_batches(batch_request.BatchRequest(**{**asked, **settings}))


def ids_of(batches):
  return [name.decode() for batch in batches for name in batch['id'].numpy()]


def test_splits_are_those_of_the_data_job(data, tmp_path):
  path = data.partition(':')[2]
  listed = list(table.list_utterances(corpus.Corpus(path), table.Table()))
  groups = {clip.speaker_id: {''} for clip in listed}
  wanted = splitting.assign_splits(groups, rules.SplitRule(), splits.SplitFractions())
  loaded = files_lib.load(data)
  assert {clip.clip_id for files in loaded.splits.values() for clip in files} == {
    clip.utterance_id for clip in listed
  }
  assert loaded.manifest.split_names() == splits.SPLITS
  for split, files in loaded.splits.items():
    assert {wanted[clip.speaker] for clip in files} == {split}
    assert loaded.manifest.num_records(split) == len(files)
    assert loaded.manifest.label_counts(split) == tuple(
      sum(clip.label == label for clip in files) for label in sorted(LABELS)
    )


def test_an_official_split_wins_and_a_speaker_stays_whole(data, tmp_path):
  folder = data.partition(':')[2].rpartition('/')[0]
  rows = [('path', 'label', 'speaker', 'split')]
  rows += [(f'{folder}/audio/low_s{i}_0.wav', 'low', f's{i}', 'train') for i in range(3)]
  rows += [(f'{folder}/audio/middle_s{i}_1.wav', 'middle', f's{i}', '') for i in range(3)]
  rows += [(f'{folder}/audio/low_s{i}_0.wav', 'low', f's{i}', 'dev') for i in (5, 6)]
  rows += [(f'{folder}/audio/high_s6_2.wav', 'high', 's6', 'testing')]
  made = files_lib.load(write_table(tmp_path / 'clips.csv', rows)).splits
  assert {clip.speaker for clip in made['train']} == {'s0', 's1', 's2'}
  assert {clip.speaker for clip in made['validation']} == {'s5'}
  assert {clip.speaker for clip in made['test']} == {'s6'}
  assert len(made['test']) == 2


def test_samples_are_those_of_the_data_job(data):
  audio = files_lib.load(data, clip_s=0.5).manifest.audio
  folder = data.partition(':')[2].rpartition('/')[0]
  found = 0
  for batch in read(data):
    assert batch['waveform'].dtype == tf.float32
    for name, samples, label in zip(
      batch['id'].numpy(), batch['waveform'].numpy(), batch['label'].numpy(), strict=True
    ):
      wanted = clips.decode(clips.read_bytes(f'{folder}/{name.decode()}'), audio)
      np.testing.assert_allclose(samples, wanted.samples, atol=1e-7)
      assert name.decode().startswith(f'audio/{sorted(LABELS)[label]}_')
      found += 1
  assert found == files_lib.load(data).manifest.num_records('train')


def test_every_file_comes_once_a_pass_and_the_order_follows_from_the_seed(data):
  count = files_lib.load(data).manifest.num_records('train')
  stream = {'shuffle': True, 'repeat': True, 'batch_size': count}
  passes = [ids_of([batch]) for batch in read(data, seed=1, **stream).take(3)]
  assert len({tuple(sorted(names)) for names in passes}) == 1
  assert len(set(passes[0])) == count
  assert passes[0] != passes[1]
  assert [ids_of([batch]) for batch in read(data, seed=1, **stream).take(3)] == passes
  later = read(data, seed=1, start_step=2, **stream).take(1)
  assert ids_of(later) == passes[2]
  assert ids_of(read(data, seed=2, **stream).take(1)) != passes[0]


def test_each_label_stands_in_every_balanced_batch(data):
  asked = {'batch_size': 3, 'shuffle': True, 'repeat': True, 'seed': 1, 'balanced': 3}
  found = [ids_of([batch]) for batch in read(data, **asked).take(12)]
  for batch in found:
    assert sorted(os.path.basename(name).partition('_')[0] for name in batch) == sorted(LABELS)
  assert [ids_of([batch]) for batch in read(data, **asked, start_step=9).take(3)] == found[9:]


def test_workers_have_parts_of_the_same_batches(data):
  stream = {'shuffle': True, 'seed': 3, 'batch_size': 5}
  whole = [ids_of([batch]) for batch in read(data, **stream)]
  share = shares.Share(first_part=1, last_part=2, num_parts=3)
  mine = [ids_of([batch]) for batch in read(data, share=share, **stream)]
  again = [ids_of([batch]) for batch in parts.divided(read(data, **stream), share)]
  assert mine == again
  assert all(set(part) < set(batch) for part, batch in zip(mine, whole, strict=True))


@pytest.fixture(autouse=True)
def _own_working_directory(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)


def train(data, **more):
  defaults = {
    'data': data,
    'model': 'cnn:conv_layers=1,filters=4,dense_units=16,dropout=0',
    'compute': 'log_mel:num_mels=16',
    'clip_seconds': 0.5,
    'epochs': 8,
    'batch_size': 8,
    'learning_rate': 0.01,
    'deterministic': False,
    'run_dir': 'run',
  }
  return run.train(config.TrainConfig(**{**defaults, **more}))


def test_trains_judges_and_predicts(data, tmp_path, capsys):
  folder = train(data, augment=('noise', 'spec_augment:max_frequency_bins=2'))
  with open(folder.judgement.report_file, encoding='utf-8') as stream:
    report = json.load(stream)
  assert report['accuracy'] > 0.8
  assert report['data_dir'] == data
  assert 'computed from waveform' in capsys.readouterr().out
  assert evaluation.evaluate_run('run', split='validation')['same_data_as_training']
  path = data.partition(':')[2].rpartition('/')[0]
  predict.main(['--run_dir=run', '--top=1', '--format=csv', f'{path}/audio/low_s3_0.wav'])
  assert ',low,' in capsys.readouterr().out
  predict.main(['--run_dir=run', '--top=1', '--format=csv', f'--data={data}'])
  assert len(capsys.readouterr().out.splitlines()) == 31


def test_a_folder_for_each_label(data, tmp_path):
  root = tmp_path / 'words'
  for label in LABELS:
    (root / label / 'deeper').mkdir(parents=True)
    for take in range(8):
      file = wav_files.pcm16(pcm(label, take), sample_rate_hz=RATE_HZ)
      (root / label / 'deeper' / f'{take}.wav').write_bytes(file)
    (root / label / 'notes.txt').write_text('not audio')
  (root / 'loose.wav').write_bytes(b'no label, and not even audio')
  loaded = files_lib.load(f'folders:{root}', clip_s=0.5)
  assert loaded.manifest.labels == tuple(sorted(LABELS))
  assert sum(loaded.manifest.num_records(split) for split in splits.SPLITS) == 24
  assert 'Nothing tells who speaks' in loaded.manifest.warnings[0]
  assert loaded.splits['train'][0].clip_id.startswith('high/deeper/')


def test_a_file_that_changes_in_the_middle_is_a_sentence(tmp_path):
  data = write_corpus(tmp_path, speakers=5)
  preflight.check(config.TrainConfig(data=data, run_dir='run', clip_seconds=0.5))
  for path in (tmp_path / 'audio').iterdir():
    path.write_bytes(b'RIFF and then nothing')
  with pytest.raises(errors.DatasetError, match='could not be decoded: .*Was it changed since'):
    train(data)


def rows_with(cells, header=('path', 'label', 'speaker', 'split')):
  return [header, ('audio/low_s0_0.wav', 'low', 's0', ''), cells]


@pytest.mark.parametrize(
  ('rows', 'sentence'),
  [
    ([], r'is empty. Wanted a first row such as path,label'),
    ([('path', 'label')], 'has no rows'),
    ([('file', 'label'), ('a.wav', 'x')], "has no column 'path'"),
    ([('path', 'labels'), ('a.wav', 'x')], "no column 'label'. Did you mean 'labels'"),
    ([('path', 'label', 'start'), ('a.wav', 'x', '1')], "column 'start': its clips are parts"),
    (rows_with(('a.wav', 'x')), 'clips.csv, row 3: wanted 4 cells, as the first row has, got 2'),
    (rows_with(('a.wav', '', 's', '')), "row 3: the column 'label' is empty"),
    (rows_with(('a.wav', 'x', '', '')), "row 3: the column 'speaker' is empty"),
    (rows_with(('a.wav', 'x', 's', 'tset')), "row 3: wanted the split as train, .* got 'tset'"),
    (
      rows_with(('audio/no.wav', 'x', 's', '')),
      'row 3: .*no.wav. cannot .*: there is no such file',
    ),
    (rows_with(('audio/low_s0_0.wav', 'x', 's', '')), r"row 3: 'audio/low_s0_0.wav' stands in .*2"),
    (rows_with(('gs://b/a.wav', 'x', 's', '')), 'is not on this machine'),
    (rows_with(('audio/bad.wav', 'x', 's', '')), 'row 3: .*bad.wav. cannot be read as audio'),
    (rows_with(('audio/none.wav', 'x', 's', '')), 'none.wav. holds no samples'),
    (rows_with(('audio/fast.wav', 'x', 's', '')), 'has 16000 samples a second, wanted 8000'),
    (rows_with(('audio/wide.wav', 'x', 's', '')), 'is WAV FLOAT. In the graph WAV of 16 bits'),
  ],
)
def test_bad_tables_and_files_are_sentences(rows, sentence, tmp_path):
  write_corpus(tmp_path, speakers=1)
  (tmp_path / 'audio' / 'bad.wav').write_bytes(b'not audio at all')
  (tmp_path / 'audio' / 'fast.wav').write_bytes(wav_files.pcm16(pcm('low', 0)))
  (tmp_path / 'audio' / 'none.wav').write_bytes(
    wav_files.pcm16(pcm('low', 0)[:0], sample_rate_hz=RATE_HZ)
  )
  wide = io.BytesIO()
  soundfile.write(wide, np.zeros(99), RATE_HZ, format='WAV', subtype='FLOAT')
  (tmp_path / 'audio' / 'wide.wav').write_bytes(wide.getvalue())
  with pytest.raises(errors.DatasetError, match=sentence):
    files_lib.load(write_table(tmp_path / 'clips.csv', rows))


@pytest.mark.parametrize('name', ['table:no/such.csv', 'folders:no/such'])
def test_what_is_not_there_is_said(name):
  with pytest.raises(errors.DatasetError, match=r'no/such'):
    files_lib.load(name)


def test_formats_without_a_decoder_are_refused(tmp_path, monkeypatch):
  found = importlib.util.find_spec
  monkeypatch.setattr(
    importlib.util, 'find_spec', lambda name: None if name == 'tensorflow_io' else found(name)
  )
  soundfile.write(tmp_path / 'a.flac', np.zeros(99), RATE_HZ)
  data = write_table(tmp_path / 'clips.csv', [('path', 'label'), ('a.flac', 'x')])
  with pytest.raises(errors.DatasetError, match='a.flac. is FLAC PCM_16. Here only WAV of 16 bits'):
    files_lib.load(data)


def test_a_file_that_would_be_read_in_part_is_refused(tmp_path):
  folder = tmp_path / 'corpus'
  folder.mkdir()
  data = wav_files.pcm16(pcm('low', 0), sample_rate_hz=RATE_HZ)
  (folder / 'a.wav').write_bytes(data[:40] + (800).to_bytes(4, 'little') + data[44:])
  rows = [('path', 'label'), ('a.wav', 'x')]
  with pytest.raises(
    errors.DatasetError, match='row 2: .*Wanted 800 bytes of audio, as the header'
  ):
    files_lib.load(write_table(folder / 'clips.csv', rows))


@pytest.mark.parametrize(('ending', 'mark'), [('tsv', '\t'), ('csv', ';'), ('csv', '\t')])
def test_other_delimiters_and_a_byte_order_mark(ending, mark, tmp_path):
  path = tmp_path / f'clips.{ending}'
  lines = [
    ('path', 'label', 'client_id'),
    ('a, b.wav', 'x', 'ann'),
    ('', '', ''),
    ('c.wav', 'y', 'b'),
  ]
  path.write_text('\ufeff' + '\n'.join(mark.join(cells) for cells in lines), encoding='utf-8')
  found = table_lib.read_table(str(path))
  assert [(clip.clip_id, clip.label, clip.speaker, clip.origin) for clip in found] == [
    ('a, b.wav', 'x', 'ann', f'clips.{ending}, row 2'),
    ('c.wav', 'y', 'b', f'clips.{ending}, row 4'),
  ]


@pytest.mark.parametrize(
  ('settings', 'sentence'),
  [
    ({'data': 'some/folder', 'clip_seconds': 1.5}, '--clip_seconds=1.5 is for raw files'),
    ({'data': 'some/folder', 'sample_rate_hz': 8_000}, '--sample_rate_hz=8000 is for raw files'),
    ({'data': 'table:x.csv', 'clip_seconds': -1.0}, '--clip_seconds must be positive'),
  ],
)
def test_flags_that_contradict_are_refused(settings, sentence):
  with pytest.raises(errors.ConfigError, match=sentence):
    config.TrainConfig(**settings)


def test_paths_of_windows_and_of_another_normal_form_are_found(tmp_path):
  nfc, nfd = (unicodedata.normalize(form, 'café') for form in ('NFC', 'NFD'))
  (tmp_path / nfd).mkdir()
  for name in ('a.wav', 'b.wav'):
    (tmp_path / nfd / name).write_bytes(wav_files.pcm16(pcm('low', 0)))
  rows = [('path', 'label'), (f'{nfc}/a.wav', 'x'), (f'{nfd}\\b.wav', 'y')]
  splits_of = files_lib.load(write_table(tmp_path / 'clips.csv', rows)).splits
  clips = [clip for some in splits_of.values() for clip in some]
  assert sorted(clip.clip_id for clip in clips) == sorted([f'{nfc}/a.wav', f'{nfd}/b.wav'])
  assert {clip.path for clip in clips} == {str(tmp_path / nfd / f'{name}.wav') for name in 'ab'}


def test_an_edited_table_is_read_again(tmp_path):
  data = write_corpus(tmp_path, speakers=4)
  first = files_lib.load(data)
  assert files_lib.load(data) == first
  again = write_corpus(tmp_path, speakers=5)
  os.utime(tmp_path / 'clips.csv', ns=(1, 1))
  assert files_lib.load(again).digest != first.digest


def test_folders_named_like_splits_are_no_labels(tmp_path):
  for name in ('train', 'Test'):
    (tmp_path / name).mkdir()
    (tmp_path / name / '1.wav').touch()
  with pytest.raises(errors.DatasetError, match=r'The folders Test, train .*split_level=0'):
    files_lib.load(f'folders:{tmp_path}')


def test_labels_are_tidy_as_the_data_job_makes_them_and_alike_ones_are_said(tmp_path):
  for label, name in (('yes ', 1), ('yes', 2), ('Yes', 3), ('cafe\u0301', 4)):
    (tmp_path / label).mkdir()
    soundfile.write(tmp_path / label / f'{name}.wav', np.zeros(800), 8_000, subtype='PCM_16')
  manifest = files_lib.load(f'folders:{tmp_path}').manifest
  assert manifest.labels == ('Yes', 'caf\xe9', 'yes')
  assert any("'Yes' and 'yes'" in warning for warning in manifest.warnings)


def test_what_is_passed_by_in_folders_is_said(tmp_path):
  for name in ('yes', 'no', 'gone'):
    (tmp_path / name).mkdir()
  soundfile.write(tmp_path / 'yes/1.wav', np.zeros(800), 8_000, subtype='PCM_16')
  soundfile.write(tmp_path / 'no/1.wav', np.zeros(800), 8_000, subtype='PCM_16')
  for name in ('yes/2.xyz', 'gone/1.xyz', 'README', 'yes/1.txt'):
    (tmp_path / name).touch()
  warnings = files_lib.load(f'folders:{tmp_path}').manifest.warnings
  assert warnings[0].startswith('Files were passed by: 2 .xyz. ')
  assert warnings[1].endswith('if one is a label, it has none. (gone)')


def test_a_phones_recordings_are_not_read_and_the_job_that_does_is_named(tmp_path):
  for label in ('no', 'yes'):
    (tmp_path / 'my memos' / label).mkdir(parents=True)
    for i in range(3):
      (tmp_path / 'my memos' / label / f'{i}.m4a').write_bytes(b'as phones write them')
  root = str(tmp_path / 'my memos')
  with pytest.raises(errors.DatasetError) as caught:
    files_lib.load(f'folders:{root}')
  said = str(caught.value)
  assert said.startswith(f'The folders of {root!r} hold 6 recordings (.m4a), of which none is read')
  assert (
    f"`python -m beam_jobs.featurize --source=folders --input='{root}' --output='{root}_f" in said
  )
  assert said.endswith(f"then `python -m trainer --data='{root}_features'`.")
  soundfile.write(f'{root}/no/a.wav', np.zeros(800), 8_000, subtype='PCM_16')
  (warning, *_) = files_lib.load(f'folders:{root}').manifest.warnings
  assert warning.startswith('Files were passed by: 6 .m4a. ') and '--source=folders' in warning
