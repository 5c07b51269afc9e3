"""verify finds every damage that we can think of, lists all of it, and names the place."""

import dataclasses
import os
import random
import re

import numpy as np
import pytest

from schemas import command, record
from tests.helpers import datasets
from tfrecords import manifest_file, reader, verify, writer
from tfrecords.wire import codec


@pytest.fixture
def made(tmp_path):
  return datasets.write_dataset(tmp_path)


def problems(tmp_path):
  return verify.find_problems(str(tmp_path), manifest_file.load(str(tmp_path)))


def one_problem(tmp_path):
  found = problems(tmp_path)
  assert len(found) == 1, found
  return found[0]


def resave(tmp_path, made, **changes):
  manifest_file.save(dataclasses.replace(made, **changes), str(tmp_path))


def rewrite(tmp_path, made, change, index=0):
  """Writes a shard anew, its records passed through `change`, with a manifest that agrees."""
  info = made.shards[index]
  path = str(tmp_path / info.file_name)
  clips = [codec.decode(data, made.features) for data in reader.read_records(path)]
  clips = [change(i, clip) for i, clip in enumerate(clips)]
  with writer.ShardWriter(path) as out:
    out.write(
      [clip if isinstance(clip, bytes) else codec.encode(clip, made.features) for clip in clips]
    )
  shard = dataclasses.replace(info, num_bytes=out.num_bytes, sha256=out.sha256)
  shards = (*made.shards[:index], shard, *made.shards[index + 1 :])
  changed = dataclasses.replace(made, shards=shards)
  manifest_file.save(changed, str(tmp_path))
  return changed


def test_a_whole_data_set_has_no_problems(tmp_path, made):
  assert problems(tmp_path) == []


def test_the_summary_is_one_line(tmp_path, made, capsys):
  assert command.run(verify.main, [str(tmp_path)]) == 0
  assert capsys.readouterr().out == (
    f'{tmp_path} is whole: 42 records in 4 shards; every checksum, digest, count and array is as '
    'the manifest says.\n'
  )


@pytest.mark.parametrize('seed', range(60))
def test_every_flipped_bit_is_found(tmp_path, made, seed):
  rng = random.Random(seed)
  path = tmp_path / rng.choice(made.shards).file_name
  content = bytearray(path.read_bytes())
  bit = rng.randrange(len(content) * 8)
  content[bit // 8] ^= 1 << bit % 8
  path.write_bytes(content)
  found = problems(tmp_path)
  assert any('checksum' in problem for problem in found)
  assert any('has the SHA-256' in problem for problem in found)
  assert all(path.name in problem or 'speakers' in problem for problem in found)


def test_a_flipped_bit_is_named_with_its_place(tmp_path, made):
  path = tmp_path / made.shards[0].file_name
  size = made.shards[0].num_bytes // 12
  content = bytearray(path.read_bytes())
  content[3 * size + 100] ^= 1
  path.write_bytes(content)
  found = problems(tmp_path)
  assert f'{path.name}, record 3 at byte {3 * size}: the checksum of its data is' in found[0]
  assert f'{path.name}, has 11 whole records, the manifest says 12.' in found
  assert f"{path.name}, has 3 records of the label 'no', the manifest says 4." in found


def test_a_file_that_is_damaged_throughout_is_told_in_a_few_lines(tmp_path, made):
  path = tmp_path / made.shards[0].file_name
  size = made.shards[0].num_bytes // 12
  content = bytearray(path.read_bytes())
  for i in range(12):
    content[i * size + 100] ^= 1
  path.write_bytes(content)
  of_file = [problem for problem in problems(tmp_path) if problem.startswith(path.name)]
  assert len(of_file) == 11
  assert of_file[-1] == f'{path.name}, and 8 more problems.'


def test_a_cut_off_file_is_found(tmp_path, made):
  path = tmp_path / made.shards[0].file_name
  size = made.shards[0].num_bytes
  path.write_bytes(path.read_bytes()[:-10])
  found = problems(tmp_path)
  assert 'the file ends after' in found[0]
  assert f'{path.name}, has {size - 10} bytes, the manifest says {size}.' in found


def test_a_file_cut_between_records_is_found(tmp_path, made):
  path = tmp_path / made.shards[0].file_name
  size = made.shards[0].num_bytes
  path.write_bytes(path.read_bytes()[: size - size // 12])
  found = problems(tmp_path)
  assert f'{path.name}, has {size - size // 12} bytes, the manifest says {size}.' in found
  assert f'{path.name}, has 11 whole records, the manifest says 12.' in found


def test_a_missing_file_is_found(tmp_path, made):
  (tmp_path / made.shards[3].file_name).unlink()
  found = problems(tmp_path)
  assert found[0].startswith(f"There is no shard file '{tmp_path}/{made.shards[3].file_name}'.")


def test_a_folder_in_place_of_a_file_is_found(tmp_path, made):
  (tmp_path / made.shards[3].file_name).unlink()
  (tmp_path / made.shards[3].file_name).mkdir()
  assert 'Is a directory' in problems(tmp_path)[0]


def test_swapped_files_are_found(tmp_path, made):
  one, other = (tmp_path / made.shards[i].file_name for i in (0, 1))
  os.rename(one, tmp_path / 'aside')
  os.rename(other, one)
  os.rename(tmp_path / 'aside', other)
  found = problems(tmp_path)
  assert [problem.partition(', has the SHA-256')[0] for problem in found] == [one.name, other.name]


def test_all_problems_are_listed(tmp_path, made, capsys):
  (tmp_path / made.shards[3].file_name).unlink()
  path = tmp_path / made.shards[0].file_name
  path.write_bytes(path.read_bytes()[:-1])
  (tmp_path / 'tiny-train.tfrecord-00007-of-00009').write_bytes(b'')
  assert command.run(verify.main, [str(tmp_path)]) == 2
  err = capsys.readouterr().err
  assert err.startswith(f"error: '{tmp_path}' has ")
  assert 'There is no shard file' in err
  assert 'the file ends after' in err
  assert 'tiny-train.tfrecord-00007-of-00009 is not in the manifest' in err
  assert err.endswith('with the same flags (whole shards are kept), or copy the folder again.\n')
  assert 'Traceback' not in err


@pytest.mark.parametrize(
  'name',
  ['tiny-train.tfrecord-00002-of-00003', 'tiny-train.tfrecord-00000-of-00002.tmp-0123456789abcdef'],
)
def test_left_over_shards_are_found(tmp_path, made, name):
  (tmp_path / name).write_bytes(b'')
  assert one_problem(tmp_path) == (
    f'{name} is not in the manifest: an earlier or interrupted job left it. Remove it, or run the '
    'data job again.'
  )


def test_other_files_are_their_owners_business(tmp_path, made):
  for name in ('rejects.jsonl', 'dataset_info.json', 'README.md', '.voxshard'):
    (tmp_path / name).write_text('x')
  (tmp_path / 'runs').mkdir()
  assert problems(tmp_path) == []


def with_info(made, index, **changes):
  shard = dataclasses.replace(made.shards[index], **changes)
  return (*made.shards[:index], shard, *made.shards[index + 1 :])


@pytest.mark.parametrize(
  ('changes', 'sentence'),
  [
    ({'num_bytes': 7}, 'has 10548 bytes, the manifest says 7.'),
    ({'sha256': 'ab'}, 'the manifest says ab.'),
    ({'num_speakers': 3}, 'has 2 speakers, the manifest says 3.'),
    (
      {'shortest_samples': 3_000},
      'has clips of 3995 to 4000 samples, the manifest says 3000 to 4000.',
    ),
    (
      {'longest_samples': 9_000},
      'has clips of 3995 to 4000 samples, the manifest says 3995 to 9000.',
    ),
  ],
)
def test_a_manifest_that_disagrees_is_found(tmp_path, made, changes, sentence):
  resave(tmp_path, made, shards=with_info(made, 0, **changes))
  assert one_problem(tmp_path).endswith(sentence)


def test_wrong_counts_of_labels_are_found(tmp_path, made):
  resave(tmp_path, made, shards=with_info(made, 0, label_counts=(5, 3, 4)))
  name = made.shards[0].file_name
  assert problems(tmp_path) == [
    f"{name}, has 4 records of the label 'no', the manifest says 5.",
    f"{name}, has 4 records of the label 'yes', the manifest says 3.",
  ]


def test_wrong_counts_of_speakers_are_found(tmp_path, made):
  resave(tmp_path, made, num_speakers={**made.num_speakers, 'train': 5})
  assert one_problem(tmp_path) == "The split 'train' has 4 speakers, the manifest says 5."


def test_a_shard_that_the_manifest_forgets_is_found(tmp_path, made):
  resave(tmp_path, made, shards=made.shards[1:], num_speakers={**made.num_speakers, 'train': 2})
  assert problems(tmp_path) == [
    "The manifest names 1 of 2 shards of the split 'train'; missing: 0.",
    f'{made.shards[0].file_name} is not in the manifest: an earlier or interrupted job left it. '
    'Remove it, or run the data job again.',
  ]


def test_a_shard_that_stands_twice_in_the_manifest_is_found(tmp_path, made):
  resave(tmp_path, made, shards=(made.shards[0], *made.shards))
  assert one_problem(tmp_path) == f'{made.shards[0].file_name} stands 2 times in the manifest.'


def test_an_array_of_another_shape_is_found(tmp_path, made):
  short = dataclasses.replace(made.features[0], shape=(19, 16))

  def change(i, clip):
    if i != 2:
      return clip
    array = clip.arrays['log_mel'][:19]
    return codec.encode(dataclasses.replace(clip, arrays={'log_mel': array}), [short])

  rewrite(tmp_path, made, change)
  sentence = r"record 2 at byte \d+: Record 'zero/ada_2\.wav', field 'log_mel': expected 640 bytes"
  assert any(re.search(sentence, problem) for problem in problems(tmp_path))


def test_a_record_that_is_none_is_found(tmp_path, made):
  rewrite(tmp_path, made, lambda i, clip: b'\xff\xff' if i == 0 else clip)
  assert any('Expected a tf.train.Example, got 2 other bytes' in p for p in problems(tmp_path))


@pytest.mark.parametrize(
  ('change', 'sentence'),
  [
    ({'label': 3}, "record 'no/ada_0.wav' has the label 3, there are 3."),
    (
      {'num_samples': 4_001},
      "record 'no/ada_0.wav' has 4001 samples, the manifest says 3995 to 4000.",
    ),
    (
      {'num_samples': 3_994},
      "record 'no/ada_0.wav' has 3994 samples, the manifest says 3995 to 4000.",
    ),
    (
      {'arrays': {'log_mel': np.full((20, 16), np.nan, '<f2')}},
      "record 'no/ada_0.wav', feature 'log_mel': NaN or infinite values.",
    ),
    (
      {'arrays': {'log_mel': np.full((20, 16), np.inf, '<f2')}},
      "record 'no/ada_0.wav', feature 'log_mel': NaN or infinite values.",
    ),
  ],
)
def test_content_that_makes_no_sense_is_found(tmp_path, made, change, sentence):
  rewrite(tmp_path, made, lambda i, clip: dataclasses.replace(clip, **change) if i == 0 else clip)
  assert any(problem.endswith(f'record 0 at byte 0: {sentence}') for problem in problems(tmp_path))


def test_integers_have_no_nan(tmp_path):
  spec = record.FeatureSpec(name='waveform', shape=(10,), dtype='int16', settings={})
  datasets.write_dataset(tmp_path, features=[spec])
  assert problems(tmp_path) == []


def test_repeated_ids_are_found_within_and_across_shards(tmp_path, made):
  ids = ['no/ada_0.wav', 'validation/x.wav']

  def repeat_first(i, clip):
    return dataclasses.replace(clip, utterance_id=ids[0]) if i in (0, 5) else clip

  changed = rewrite(tmp_path, made, repeat_first)
  rewrite(
    tmp_path,
    changed,
    lambda i, clip: dataclasses.replace(clip, utterance_id=ids[0]) if i == 1 else clip,
    index=2,
  )
  train, validation = made.shards[0].file_name, made.shards[2].file_name
  assert problems(tmp_path) == [
    f'The id of record 0 of {train} is also that of record 5 of {train}.',
    f'The id of record 5 of {train} is also that of record 1 of {validation}.',
  ]


def test_many_repeated_ids_are_told_in_a_few_lines(tmp_path, made):
  rewrite(tmp_path, made, lambda i, clip: dataclasses.replace(clip, utterance_id='same'))
  found = problems(tmp_path)
  assert len(found) == 6
  assert found[-1] == 'And 6 more records have the id of another one.'


def test_a_speaker_in_two_splits_is_found(tmp_path):
  datasets.write_dataset(
    tmp_path, speakers={'train': ('ada', 'bob'), 'test': ('ada', 'eve')}, clips_per_speaker=3
  )
  assert (
    "'test' and 'train' share 1 of their speakers: ada. A model is then judged on voices that it "
    'knows. Run the data job again.'
  ) in problems(tmp_path)


@pytest.mark.parametrize('split_by', ['take:test=0-4', 'clip', 'speakers_age:test=5'])
def test_a_speaker_may_be_in_two_splits_where_the_user_splits_otherwise(tmp_path, split_by):
  made = datasets.write_dataset(
    tmp_path, speakers={'train': ('ada', 'bob'), 'test': ('ada',)}, config={'split_by': split_by}
  )
  rewrite(
    tmp_path,
    made,
    lambda i, clip: dataclasses.replace(clip, utterance_id=f'test/{i}'),
    index=len(made.shards) - 1,
  )
  assert problems(tmp_path) == []


def test_splitting_by_named_speakers_is_splitting_by_speaker(tmp_path):
  datasets.write_dataset(
    tmp_path,
    speakers={'train': ('ada', 'bob'), 'test': ('ada',)},
    config={'split_by': 'speaker:test=ada'},
  )
  assert any(
    "'test' and 'train' share 1 of their speakers: ada" in problem for problem in problems(tmp_path)
  )


def test_progress_is_told(tmp_path, made):
  done = []
  verify.find_problems(str(tmp_path), made, advance=done.append)
  assert done == [shard.num_bytes for shard in made.shards]


def test_a_data_set_without_records_is_whole(tmp_path):
  datasets.write_dataset(tmp_path, speakers={}, num_shards={'train': 1})
  assert problems(tmp_path) == []


def test_an_unfinished_data_set_is_said(tmp_path, made, capsys):
  (tmp_path / 'manifest.json').unlink()
  assert command.run(verify.main, [str(tmp_path)]) == 2
  assert 'the data job did not finish' in capsys.readouterr().err


def test_clips_of_any_length_and_pictures_are_whole(tmp_path):
  features = (datasets.VARIABLE_LOG_MEL, datasets.PICTURE)
  datasets.write_dataset(tmp_path / 'a', features=features, audio=datasets.VARIABLE_AUDIO)
  assert problems(tmp_path / 'a') == []
  datasets.write_dataset(tmp_path / 'b', features=(datasets.PICTURE,), audio=None)
  assert problems(tmp_path / 'b') == []


def test_half_a_frame_is_found(tmp_path):
  made = datasets.write_dataset(
    tmp_path, features=(datasets.VARIABLE_LOG_MEL,), audio=datasets.VARIABLE_AUDIO
  )
  half = dataclasses.replace(datasets.VARIABLE_LOG_MEL, shape=(None, 8))

  def change(i, clip):
    if i != 1:
      return clip
    array = clip.arrays['log_mel'][:1, :8]
    return codec.encode(dataclasses.replace(clip, arrays={'log_mel': array}), [half])

  rewrite(tmp_path, made, change)
  sentence = r"'log_mel': expected a multiple of 32 bytes \(float16 \[any, 16\]\), got 16"
  assert any(re.search(sentence, problem) for problem in problems(tmp_path))
