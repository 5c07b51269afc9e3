"""Copies, selections, excerpts and clips of any length, through the whole job."""

import collections
import json

import numpy as np
import pytest
import soundfile

from beam_jobs import featurize
from schemas import command
from tests.beam_jobs import corpora
from tests.beam_jobs.test_featurize import digests, records
from tfrecords import describe, manifest_file


def run(*arguments):
  assert command.run(featurize.main, list(arguments)) == 0


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
  return corpora.make_words(tmp_path_factory.mktemp('corpus'))


@pytest.fixture(scope='module')
def noise(tmp_path_factory):
  folder = tmp_path_factory.mktemp('noise')
  for seed in range(2):
    corpora.write_wav(folder / f'{seed}.wav', seconds=3, seed=seed)
  return folder


def featurized(corpus, output, *more):
  run(*corpora.argv(corpus, output, *more))
  return output


AUGMENT = ('--augment=time_shift:max_shift_s=0.05', '--augment=gain', '--augment_copies=2')


def test_only_the_train_split_has_copies_and_each_says_what_was_done(corpus, tmp_path):
  data = featurized(corpus, tmp_path / 'data', *AUGMENT, '--feature=waveform')
  for split in ('train', 'validation', 'test'):
    done = collections.defaultdict(dict)
    for record in records(data, split):
      original, _, copy = record.utterance_id.partition('#copy')
      done[original][copy] = record
    for by_copy in done.values():
      assert set(by_copy) == ({'', '1', '2'} if split == 'train' else {''})
      assert by_copy[''].augmentation == ''
      for copy in set(by_copy) - {''}:
        assert by_copy[copy].augmentation.startswith('time_shift:')
        assert '+gain:' in by_copy[copy].augmentation
        assert (by_copy[copy].arrays['waveform'] != by_copy[''].arrays['waveform']).any()


def test_originals_are_what_they_are_without_augmentation(corpus, tmp_path):
  plain = featurized(corpus, tmp_path / 'plain')
  copied = featurized(corpus, tmp_path / 'copied', *AUGMENT)
  before = {record.utterance_id: record for record in records(plain, 'train')}
  after = {r.utterance_id: r for r in records(copied, 'train') if not r.augmentation}
  assert set(before) == set(after)
  for name, record in before.items():
    np.testing.assert_array_equal(record.arrays['log_mel'], after[name].arrays['log_mel'])


def test_copies_are_the_same_bytes_in_another_process(corpus, noise, tmp_path):
  more = (*AUGMENT, f'--augment=background_noise:folder={noise}', '--augment=speed')
  first = featurized(corpus, tmp_path / 'first', *more)
  second = featurized(corpus, tmp_path / 'second', *more, '--workers=1')
  assert digests(first) == digests(second)


def test_noise_is_asked_for_before_anything_is_written(corpus, tmp_path, capsys):
  argv = corpora.argv(corpus, tmp_path / 'data', '--augment=background_noise')
  assert command.run(featurize.main, argv) == 2
  assert 'brings no noise along. Name a folder' in capsys.readouterr().err
  assert not (tmp_path / 'data').exists()


def test_oversampling_repeats_clips_of_the_rarer_label(corpus, tmp_path):
  # Without the half of one label.
  rules = ('--split_by=speaker:test=fay,validation=eve', '--max_per_speaker=5')
  data = featurized(corpus, tmp_path / 'data', *rules, '--balance=oversample')
  manifest = manifest_file.load(str(data))
  assert len(set(manifest.label_counts('train'))) == 1
  assert manifest.num_records('test') == 5
  assert manifest.left_out['over_speaker_limit'] == 6 * 3
  ids = [record.utterance_id for record in records(data, 'train')]
  assert len(set(ids)) == len(ids)


def test_a_sample_is_a_small_set_of_the_same_shape(corpus, tmp_path):
  data = featurized(corpus, tmp_path / 'data', '--sample=0.2')
  manifest = manifest_file.load(str(data))
  assert manifest.labels == corpora.WORDS
  assert dict(manifest.num_speakers) == {'train': 1, 'validation': 1, 'test': 1}
  assert manifest.left_out == {'not_sampled': 3 * 8}


@pytest.fixture(scope='module')
def lengths(tmp_path_factory):
  root = tmp_path_factory.mktemp('lengths')
  for i, speaker in enumerate(corpora.SPEAKERS):
    for j, word in enumerate(corpora.WORDS):
      corpora.write_wav(root / word / f'{speaker}_0.wav', seconds=0.3 + 0.05 * i + 0.4 * j, seed=i)
  return root


def test_clips_keep_their_lengths(lengths, tmp_path):
  data = featurized(lengths, tmp_path / 'data', '--clip_seconds=0', '--feature=waveform')
  manifest = manifest_file.load(str(data))
  assert manifest.feature('log_mel').shape == (None, 20)
  assert manifest.feature('waveform').shape == (None,)
  for split in manifest.split_names():
    found = list(records(data, split))
    for record in found:
      samples, _ = soundfile.read(lengths / record.utterance_id, dtype='int16')
      np.testing.assert_array_equal(record.arrays['waveform'], samples)
      assert record.num_samples == len(samples)
      assert len(record.arrays['log_mel']) == 1 + (len(samples) - 200) // 80
    counts = [record.num_samples for record in found]
    assert manifest.length_samples(split) == (min(counts), max(counts))


def test_clips_of_any_length_have_a_limit(lengths, tmp_path, capsys):
  argv = corpora.argv(lengths, tmp_path / 'data', '--clip_seconds=0', '--max_clip_seconds=0.5')
  assert command.run(featurize.main, argv) == 2
  assert 'too_long' in capsys.readouterr().err


def test_a_recording_is_cut_by_a_table(corpus, tmp_path):
  recording = np.concatenate(
    [
      soundfile.read(corpus / 'yes' / f'{name}_0.wav', dtype='int16')[0]
      for name in corpora.SPEAKERS
    ]
  )
  soundfile.write(tmp_path / 'all.wav', recording, 8_000, subtype='PCM_16')
  rows = [
    f'all.wav,{"yes" if i % 2 else "no"},{name},{0.4 * i},0.4'
    for i, name in enumerate(corpora.SPEAKERS)
  ]
  table = tmp_path / 'clips.csv'
  table.write_text('\n'.join(['path,label,speaker,start,duration', *rows]) + '\n')
  run(
    '--source=table', f'--input={table}', f'--output={tmp_path / "data"}', '--feature=waveform',
    '--sample_rate_hz=8000', '--clip_seconds=0.4', '--workers=0', '--notfds_metadata',
  )  # fmt: skip
  data = tmp_path / 'data'
  found = {
    r.speaker_id: r for split in ('train', 'validation', 'test') for r in records(data, split)
  }
  assert set(found) == set(corpora.SPEAKERS)
  for name, record in found.items():
    samples, _ = soundfile.read(corpus / 'yes' / f'{name}_0.wav', dtype='int16')
    np.testing.assert_array_equal(record.arrays['waveform'], samples)


def test_a_missing_file_of_a_table_is_named_with_its_row(tmp_path):
  for name in corpora.SPEAKERS:
    corpora.write_wav(tmp_path / f'{name}.wav')
  rows = [f'{name}.wav,{name > "c"},{name}' for name in corpora.SPEAKERS] + ['gone.wav,True,ann']
  table = tmp_path / 'clips.csv'
  table.write_text('\n'.join(['path,label,speaker', *rows]) + '\n')
  run(
    '--source=table', f'--input={table}', f'--output={tmp_path / "data"}', '--workers=0',
    '--notfds_metadata', '--max_reject_fraction=0.5',
  )  # fmt: skip
  (reject,) = map(json.loads, (tmp_path / 'data' / 'rejects.jsonl').read_text().splitlines())
  assert reject['reason'] == 'missing'
  assert reject['detail'].startswith('clips.csv, row 8: ')


def test_a_plan_opens_no_audio_and_writes_nothing(corpus, tmp_path, capsys, monkeypatch):
  monkeypatch.setattr(
    'features.decoding.clips.read_bytes', lambda path: pytest.fail(f'read {path}')
  )
  run(*corpora.argv(corpus, tmp_path / 'data', '--plan', '--sample=0.5'))
  said = capsys.readouterr().out
  assert not (tmp_path / 'data').exists()
  for words in ('train', '2 speakers', 'log_mel [48, 20] float16', 'about 0.1 MB', 'not_sampled'):
    assert words in said, (words, said)


def test_the_plan_is_what_the_job_does(corpus, tmp_path, capsys):
  more = ('--max_per_label=4', '--augment=gain', '--augment_copies=3')
  data = featurized(corpus, tmp_path / 'data', *more)
  capsys.readouterr()
  run(*corpora.argv(corpus, tmp_path / 'other', '--plan', *more))
  said = capsys.readouterr().out
  manifest = manifest_file.load(str(data))
  for split in manifest.split_names():
    assert f'{manifest.num_records(split)} records' in said


def test_clips_without_labels_are_all_test(corpus, tmp_path, capsys):
  argv = [
    '--source=unlabelled', f'--input={corpus}', f'--output={tmp_path / "data"}', '--workers=0',
    '--sample_rate_hz=8000', '--clip_seconds=0.4',
  ]  # fmt: skip
  run(*argv)
  run(*argv, '--plan')
  assert 'speaker' not in capsys.readouterr().out  # Nobody knows who speaks.
  manifest = manifest_file.load(str(tmp_path / 'data'))
  assert manifest.split_names() == ('test',)
  assert manifest.num_records('test') == 48
  assert not manifest.is_labelled
  assert not manifest.warnings
  assert 'speakers' not in describe.describe(manifest)


def test_pictures_go_the_same_way(tmp_path):
  from PIL import Image

  rng = np.random.default_rng(0)
  for label in ('dots', 'noise'):
    for i in range(12):
      (tmp_path / 'pictures' / label).mkdir(parents=True, exist_ok=True)
      pixels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
      Image.fromarray(pixels).save(tmp_path / 'pictures' / label / f'{i}.png')
  data = tmp_path / 'data'
  run(
    '--source=images', f'--input={tmp_path / "pictures"}', f'--output={data}', '--workers=1',
    '--feature=image:height=20,width=30',
  )  # fmt: skip
  manifest = manifest_file.load(str(data))
  assert manifest.audio is None
  assert manifest.feature().shape == (20, 30, 3)
  assert any('stands for itself' in warning for warning in manifest.warnings)
  for record in records(data, 'train'):
    with Image.open(tmp_path / 'pictures' / record.utterance_id) as picture:
      np.testing.assert_array_equal(record.arrays['image'], np.asarray(picture))
