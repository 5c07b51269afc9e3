"""The page of a finished data set."""

import re
import shutil

import numpy as np
import pytest

from beam_jobs import featurize
from beam_jobs.sources import corpus as corpus_lib
from schemas import command
from tests.helpers import bucket, datasets, exploring

PATTERN = 'file_names:pattern={label}/{speaker}_{take}.wav'


@pytest.fixture
def corpus(tmp_path):
  """2 labels, 5 speakers, 3 takes; take 0 is for the test."""
  root = tmp_path / 'corpus'
  for i, word in enumerate(('no', 'yes')):
    for j in range(5):
      for take in range(3):
        samples = exploring.voice(100 * i + 10 * j + take, seconds=0.4)
        exploring.write(root / word / f's{j}_{take}.wav', samples)
  return root


def featurized(corpus, output, *more):
  argv = [
    f'--source={PATTERN}', f'--input={corpus}', f'--output={output}', '--sample_rate_hz=8000',
    '--clip_seconds=0.5', '--split_by=take:test=0', '--validation_fraction=0',
    '--workers=0', '--notfds_metadata', *more,
  ]  # fmt: skip
  assert command.run(featurize.main, argv) == 0
  return output


def explored(tmp_path, data, *more):
  return exploring.explored(tmp_path, f'--data={data}', *more)


@pytest.mark.parametrize('feature', ['log_mel', 'waveform'])
def test_the_same_audio_in_two_splits_is_named(corpus, tmp_path, feature):
  shutil.copy(corpus / 'no' / 's1_0.wav', corpus / 'no' / 's1_2.wav')
  quiet = exploring.voice(131, seconds=0.4) * 0.3  # yes/s3_1, of train
  exploring.write(corpus / 'yes' / 's4_0.wav', quiet)
  data = featurized(corpus, tmp_path / 'data', f'--feature={feature}')
  page = explored(tmp_path, data)
  assert 'Leakage: 2 recordings are in more than one split (yes/s3_1.wav (train)' in page.text
  found = page.section('duplicates')
  assert 'no/s1_0.wav no, speaker s1, test no/s1_2.wav no, speaker s1, train' in found
  assert 'leak: test + train equal samples' in found
  assert 'yes/s3_1.wav yes, speaker s3, train yes/s4_0.wav yes, speaker s4, test' in found
  assert found.count('.wav') == 4
  assert '30 clips' in page.text
  assert 'speakers of test s0, s1, s2, s3, s4' in page.text
  source = 'stored waveforms' if feature == 'waveform' else 'original files'
  assert source in page.section('formats')
  assert re.search(r'train 20 67 % 5 2 test 10 33 % 5 2', page.section('splits'))


def test_without_audio_the_stored_features_are_shown(corpus, tmp_path):
  shutil.copy(corpus / 'no' / 's1_0.wav', corpus / 'no' / 's1_2.wav')
  data = featurized(corpus, tmp_path / 'data')
  shutil.rmtree(corpus)
  page = explored(tmp_path, data)
  assert 'no audio to listen to' in page.text
  assert 'Leakage: 1 recording' in page.text
  tags = [tag for tag, _ in page.tags]
  assert 'audio' not in tags
  assert tags.count('img') == 4


def test_copies_are_no_duplicates(corpus, tmp_path):
  data = featurized(
    corpus, tmp_path / 'data', '--augment=gain:min_db=0,max_db=0', '--augment_copies=2'
  )
  page = explored(tmp_path, data)
  assert '70 clips 40 of them copies' in page.text
  assert 'None is there twice' in page.section('duplicates')
  assert '2 copies of each train clip: gain' in page.section('about')


def test_clips_of_any_length(corpus, tmp_path):
  exploring.write(corpus / 'no' / 's9_1.wav', exploring.voice(7, seconds=1.5))
  data = featurized(corpus, tmp_path / 'data', '--clip_seconds=0', '--feature=waveform')
  page = explored(tmp_path, data)
  assert 'longest 1.5 s' in page.section('lengths')
  assert 'int16 [any]' in page.section('about')


def test_rejects_and_warnings_of_the_job_are_repeated(corpus, tmp_path):
  (corpus / 'no' / 's1_9.wav').write_bytes(b'no audio')
  data = featurized(corpus, tmp_path / 'data')
  page = explored(tmp_path, data)
  assert 'not_audio 1' in page.section('rejects')
  assert 'no/s1_9.wav: Wanted a format' in page.section('rejects')
  assert '5 speakers are in train and in another split' in page.text


def test_silence_is_no_duplicate(corpus, tmp_path):
  for speaker in ('s1', 's2'):
    exploring.write(corpus / 'no' / f'{speaker}_0.wav', np.zeros(3000))
    exploring.write(corpus / 'no' / f'{speaker}_1.wav', np.zeros(3000))
  page = explored(tmp_path, featurized(corpus, tmp_path / 'data'))
  assert '4 clips hold nothing but digital silence' in page.text
  assert 'None is there twice' in page.section('duplicates')


def test_everything_in_a_bucket(corpus, tmp_path):
  there = f'{bucket.SCHEME}:/{tmp_path}'
  data = featurized(f'{there}/corpus', f'{there}/data')
  for named in ([f'--data={data}'], [f'--source={PATTERN}', f'--input={there}/corpus']):
    assert exploring.run(*named, f'--output={there}/page.html') == 0
    page = exploring.Page((tmp_path / 'page.html').read_text())
    assert '30 clips' in page.text
    assert '8,000 Hz 30 100 %' in page.section('formats')
  assert sorted(entry.name for entry in tmp_path.iterdir()) == ['corpus', 'data', 'page.html']


def test_pictures(tmp_path):
  datasets.write_dataset(tmp_path / 'data', audio=None, features=(datasets.PICTURE,))
  page = explored(tmp_path, tmp_path / 'data')
  assert '42 pictures' in page.text
  assert [tag for tag, _ in page.tags].count('img') == 6
  assert 'equal stored arrays' in page.section('duplicates')
  assert 'Lengths' not in page.text


def test_the_same_data_set_gives_the_same_bytes(tmp_path):
  features = (datasets.LOG_MEL, datasets.WAVEFORM)
  for name in ('a', 'b'):
    datasets.write_dataset(tmp_path / 'data', features=features)
    explored(tmp_path, tmp_path / 'data')
    (tmp_path / 'report.html').rename(tmp_path / f'{name}.html')
  assert (tmp_path / 'a.html').read_bytes() == (tmp_path / 'b.html').read_bytes()


def test_a_damaged_shard_is_an_error_and_leaves_nothing(tmp_path, capsys):
  manifest = datasets.write_dataset(tmp_path / 'data')
  path = tmp_path / 'data' / manifest.shards[0].file_name
  path.write_bytes(path.read_bytes()[:-7])
  assert exploring.run(f'--data={tmp_path}/data', f'--output={tmp_path}/page.html') == 2
  assert 'The file is damaged or was not copied whole' in capsys.readouterr().err
  assert [entry.name for entry in tmp_path.iterdir()] == ['data']


def test_original_files_are_found_by_what_records_say_without_a_listing(
  corpus, tmp_path, monkeypatch
):
  data = featurized(corpus, tmp_path / 'data', '--feature=log_mel')
  (corpus / 'no' / 's1_0.wav').unlink()
  monkeypatch.setattr(corpus_lib.Corpus, 'entries', None)
  page = explored(tmp_path, data)
  assert 'What is measured is of the original files of 29 clips' in page.text
  shutil.rmtree(corpus)
  assert 'There is no audio to listen to' in explored(tmp_path, data).text
