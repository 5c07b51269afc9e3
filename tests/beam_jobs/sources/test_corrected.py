"""A file of corrections on its way into a data set."""

import collections
import pickle

import pytest

from beam_jobs import featurize
from beam_jobs.launching import flags
from beam_jobs.sources import corrected, corrections
from schemas import command, rejects, utterance
from tests.beam_jobs import corpora
from tfrecords import describe, manifest_file, reader
from tfrecords.wire import codec

FILE = """id,action,label
yes/ann_0.wav,relabel,no
yes/ann_1.wav,relabel,<maybe> 一
no/bob_0.wav,leave_out,
no/bob_1.wav,keep,
no/bob_2.wav,relabel,no
no/nobody_0.wav,relabel,yes
"""


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
  return corpora.make_words(tmp_path_factory.mktemp('corpus'), takes=3)


def labels_of(folder):
  manifest = manifest_file.load(str(folder))
  found = {}
  for shard in manifest.shards:
    for data in reader.read_records(str(folder / shard.file_name)):
      record = codec.decode(data, manifest.features)
      found[record.utterance_id] = manifest.labels[record.label]
  return found


def featurized(corpus, output, *more):
  return command.run(featurize.main, corpora.argv(corpus, output, *more))


def test_clips_get_their_labels_and_are_left_out_and_all_is_told(corpus, tmp_path, capsys):
  path = tmp_path / 'corrections.csv'
  path.write_text(FILE, encoding='utf-8')
  output, flag = tmp_path / 'out', f'--corrections={path}'
  assert featurized(corpus, output, flag, '--plan') == 0
  planned = capsys.readouterr().out
  assert featurized(corpus, output, flag) == 0
  told = capsys.readouterr().out
  found = labels_of(output)
  expected = {
    file.relative_to(corpus).as_posix(): file.parent.name for file in corpus.rglob('*.wav')
  }
  del expected['no/bob_0.wav']
  expected |= {'yes/ann_0.wav': 'no', 'yes/ann_1.wav': '<maybe> 一'}
  assert found == expected
  manifest = manifest_file.load(str(output))
  assert manifest.labels == ('<maybe> 一', 'no', 'yes')
  assert manifest.left_out == {'marked_wrong': 1}
  assert {(note.reason, note.count, note.names) for note in manifest.noted} == {
    (
      'relabelled',
      2,
      ("yes/ann_0.wav: 'yes' to 'no'", "yes/ann_1.wav: 'yes' to '<maybe> 一'"),
    ),
    ('same_label', 1, ('no/bob_2.wav',)),
    ('marked_wrong', 1, ('no/bob_0.wav',)),
    ('no_such_clip', 1, ('no/nobody_0.wav',)),
  }
  assert manifest.config['corrections'] == {
    'relabel': 4,
    'leave_out': 1,
    'digest': corrected.read(str(path)).digest,
  }
  for text in (planned, told, describe.describe(manifest)):
    flat = ' '.join(text.split())
    assert '1 marked_wrong: ' in flat
    assert '2 relabelled: The label is that of --corrections' in flat
    assert 'no/nobody_0.wav' in flat


def test_other_corrections_never_keep_a_shard_that_they_change(corpus, tmp_path, capsys):
  path = tmp_path / 'corrections.csv'
  path.write_text('id,action,label\nyes/ann_0.wav,relabel,no\n', encoding='utf-8')
  output, flag = tmp_path / 'out', f'--corrections={path}'
  assert featurized(corpus, output) == 0
  before = labels_of(output)
  assert featurized(corpus, output, flag) == 2
  assert 'data set of other settings: corrections was None, now' in capsys.readouterr().err
  assert featurized(corpus, output, flag, '--overwrite') == 0
  assert labels_of(output) == {**before, 'yes/ann_0.wav': 'no'}
  # Who marks one more as right gets the same data set, and its shards are kept.
  path.write_text('id,action,label\nno/bob_0.wav,keep,\nyes/ann_0.wav,relabel,no\n')
  capsys.readouterr()
  assert featurized(corpus, output, flag) == 0
  assert 'earlier run' in capsys.readouterr().out
  path.write_text('id,action,label\nyes/ann_0.wav,relabel,maybe\n', encoding='utf-8')
  assert featurized(corpus, output, flag) == 2
  assert labels_of(output) == {**before, 'yes/ann_0.wav': 'no'}


@pytest.mark.parametrize(
  ('more', 'said'),
  [
    (['--corrections={folder}/none.csv'], 'none.csv: there is no such file'),
    (['--corrections={folder}'], 'cannot be read: Is a directory'),
    (['--corrections={folder}/bad.csv'], "bad.csv, row 2: Wanted the new label of 'a'"),
    (
      ['--source=unlabelled', '--corrections={folder}/bad.csv'],
      'clips of --source=unlabelled have none',
    ),
  ],
)
def test_what_is_no_file_of_corrections_is_a_sentence(corpus, tmp_path, capsys, more, said):
  (tmp_path / 'bad.csv').write_text('id,action,label\na,relabel,\n')
  more = [part.format(folder=tmp_path) for part in more]
  assert featurized(corpus, tmp_path / 'out', *more) == 2
  assert said in capsys.readouterr().err
  assert not (tmp_path / 'out').exists()


def test_workers_are_sent_little_and_it_reaches_every_source():
  many = {f'some/folder/speaker_{i:06d}.wav': ('relabel', 'yes') for i in range(20_000)}
  found = corrections.corrections_of(many)
  config = flags.parse([]).config
  assert len(pickle.dumps(found)) < 10 * len(many)
  assert pickle.loads(pickle.dumps(found)).by_id() == many
  assert config.corrected.to_json() == {}


def test_entries_that_are_no_clips_pass():
  entries = [
    rejects.LeftOut(reason='no_label', count=2),
    utterance.Utterance(utterance_id='a', speaker_id='s', label='x', uri='/a'),
    rejects.Reject(utterance_id='b', uri='/b', reason='no_label', detail='None.'),
  ]
  actions = corrections.corrections_of({'a': ('leave_out', ''), 'b': ('relabel', 'y')})
  found = list(corrected.applied(entries, actions))
  kinds = collections.Counter(type(entry).__name__ for entry in found)
  assert kinds == {'LeftOut': 2, 'Reject': 1, 'Noted': 2}
  assert {note.reason for note in found if isinstance(note, rejects.Noted)} == {
    'marked_wrong', 'no_such_clip',
  }  # fmt: skip
