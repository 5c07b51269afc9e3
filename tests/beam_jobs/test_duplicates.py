"""The same audio under two names: found by the job, named, left out, or kept in one split."""

import shutil

import numpy as np
import PIL.Image
import pytest
import soundfile

from beam_jobs import featurize
from schemas import command
from tests.beam_jobs import corpora
from tfrecords import manifest_file, reader
from tfrecords.wire import codec


def featurized(corpus, output, *more):
  assert command.run(featurize.main, corpora.argv(corpus, output, *more)) == 0
  return manifest_file.load(str(output))


def splits_of(output):
  """Returns the split of every record, copies left out, by its id."""
  manifest = manifest_file.load(str(output))
  return {
    codec.decode(data, manifest.features).utterance_id: shard.split
    for shard in manifest.shards
    for data in reader.read_records(str(output / shard.file_name))
  }


def said_of_twins(manifest):
  return [text for text in manifest.warnings if 'as another' in text]


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
  """Six speakers; one clip of `ann` is a clip of `bob` too, and one of hers is there twice."""
  root = corpora.make_words(tmp_path_factory.mktemp('corpus'), takes=2)
  shutil.copyfile(root / 'no/ann_0.wav', root / 'no/bob_9.wav')
  samples, rate_hz = soundfile.read(root / 'yes/ann_1.wav', dtype='int16')
  soundfile.write(root / 'yes/ann_7.wav', samples, rate_hz, subtype='PCM_24')
  for name in ('no/cyd_8.wav', 'no/dan_8.wav'):
    soundfile.write(root / name, np.zeros(4_000), 8_000, subtype='PCM_16')
  return root


APART = '--split_by=speaker:train=ann+cyd+dan,validation=eve,test=bob+fay'


@pytest.fixture(scope='module')
def kept(corpus, tmp_path_factory):
  output = tmp_path_factory.mktemp('kept')
  return featurized(corpus, output, APART, '--augment=gain'), output


def test_the_same_audio_in_two_splits_is_counted_and_named(kept):
  (said,) = said_of_twins(kept[0])
  assert said == (
    '4 clips have the same samples as another: 2 recordings, 1 of them in more than one split '
    '(no/ann_0.wav (train) = no/bob_9.wav (test)). The accuracy on these is that of a memory: '
    '--duplicates=group keeps them in one split, --duplicates=drop takes one of each.'
  )


def test_a_rerun_that_takes_shards_over_says_the_same(corpus, kept):
  manifest, output = kept
  text = (output / 'manifest.json').read_bytes()
  (output / 'manifest.json').unlink()
  assert said_of_twins(featurized(corpus, output, APART, '--augment=gain'))
  assert (output / 'manifest.json').read_bytes() == text


def test_in_one_split_they_are_only_counted(corpus, tmp_path):
  together = '--split_by=speaker:train=ann+bob+cyd+dan,validation=eve,test=fay'
  (said,) = said_of_twins(featurized(corpus, tmp_path / 'out', together))
  assert said == (
    '4 clips have the same samples as another: 2 recordings, each in one split '
    '(no/ann_0.wav (train) = no/bob_9.wav (train), yes/ann_1.wav (train) = yes/ann_7.wav (train)). '
    '--duplicates=drop takes one of each.'
  )


THREADS = ('--direct_num_workers=2', '--direct_running_mode=multi_threading')


@pytest.mark.parametrize('workers', [(), THREADS])
def test_all_but_the_first_can_be_left_out(corpus, kept, tmp_path, workers):
  manifest = featurized(corpus, tmp_path / 'out', APART, '--duplicates=drop', *workers)
  assert manifest.left_out == {'same_audio': 2}
  assert not said_of_twins(manifest)
  before = {name for name in splits_of(kept[1]) if '#' not in name}
  assert before - set(splits_of(tmp_path / 'out')) == {'no/bob_9.wav', 'yes/ann_7.wav'}


def test_what_was_of_another_label_is_told_apart(corpus, tmp_path):
  shutil.copytree(corpus, tmp_path / 'in')
  shutil.copyfile(tmp_path / 'in/no/ann_0.wav', tmp_path / 'in/yes/fay_9.wav')
  manifest = featurized(tmp_path / 'in', tmp_path / 'out', APART, '--duplicates=drop')
  assert manifest.left_out == {'same_audio': 2, 'other_label': 1}


def test_they_can_be_kept_in_one_split(corpus, tmp_path):
  """With them all clips of both speakers; the stricter of what was named for them holds."""
  manifest = featurized(corpus, tmp_path / 'out', APART, '--duplicates=group')
  found = splits_of(tmp_path / 'out')
  assert {found[name] for name in found if '/ann_' in name or '/bob_' in name} == {'test'}
  assert {found[name] for name in found if '/cyd_' in name or '/dan_' in name} == {'train'}
  assert manifest.left_out == {}
  assert 'each in one split' in said_of_twins(manifest)[0]


def test_that_they_leave_nothing_to_train_on_is_said(corpus, tmp_path, capsys):
  rule = '--split_by=speaker:train=ann,validation=cyd+dan+eve+fay,test=bob'
  argv = corpora.argv(corpus, tmp_path / 'out', rule, '--duplicates=group')
  assert command.run(featurize.main, argv) == 2
  said = capsys.readouterr().err
  assert '--duplicates=group keeps together those that share audio, here 2 of 6' in said


def test_where_clips_go_for_themselves_twins_go_together(tmp_path):
  corpus = corpora.make_words(tmp_path / 'corpus', takes=4)
  for path in sorted(corpus.rglob('*.wav')):
    shutil.copyfile(path, path.with_name(path.name.replace('_', '_1')))
  leaking = featurized(corpus, tmp_path / 'keep', '--split_by=clip')
  assert 'in more than one split' in said_of_twins(leaking)[0]
  featurized(corpus, tmp_path / 'group', '--split_by=clip', '--duplicates=group')
  found = splits_of(tmp_path / 'group')
  assert len(found) == 96 and set(found.values()) == {'train', 'validation', 'test'}
  for name, split in found.items():
    if '_1' not in name.replace('_1.', '_x.'):
      assert found[name.replace('_', '_1')] == split


def test_another_rule_is_another_data_set(corpus, kept, tmp_path, capsys):
  argv = corpora.argv(corpus, kept[1], APART, '--augment=gain', '--duplicates=drop')
  assert command.run(featurize.main, argv) == 2
  assert 'duplicates' in capsys.readouterr().err


def test_the_same_picture_twice_is_named(tmp_path, capfd):
  rng = np.random.default_rng(0)
  for label in ('cat', 'dog'):
    (tmp_path / 'in' / label).mkdir(parents=True)
    for i in range(6):
      pixels = rng.integers(0, 256, (8, 8, 3)).astype(np.uint8)
      PIL.Image.fromarray(pixels).save(tmp_path / 'in' / label / f'{i}.png')
  shutil.copyfile(tmp_path / 'in/cat/0.png', tmp_path / 'in/cat/x.png')
  argv = [
    '--source=images', f'--input={tmp_path / "in"}', f'--output={tmp_path / "out"}', '--workers=0',
    '--feature=image:height=8,width=8', '--notfds_metadata', '--validation_fraction=0',
    '--test_fraction=0',
  ]  # fmt: skip
  assert command.run(featurize.main, argv) == 0
  (said,) = said_of_twins(manifest_file.load(str(tmp_path / 'out')))
  assert said.startswith(
    '2 pictures have the same pixels as another: 1 picture, each in one split (cat/0.png (train) = '
    'cat/x.png (train)).'
  )
  printed = capfd.readouterr().out
  assert 'all pictures' in printed and ' pictures/s' in printed
  assert printed.endswith(f'Next:\n  python -m trainer --data={tmp_path / "out"}\n')
