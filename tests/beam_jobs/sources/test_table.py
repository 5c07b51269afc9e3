import csv
import gzip
import io
import json
import pathlib
import pickle
import re
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_jobs.sources import corpus as corpus_lib
from beam_jobs.sources import table
from beam_jobs.sources.tables import first_rows
from schemas import errors, options, rejects, splits
from schemas.utterance import Excerpt, Utterance
from tests.helpers import bucket


def listed(path, **table_settings):
  return list(table.list_utterances(corpus_lib.Corpus(str(path)), table.Table(**table_settings)))


def write(folder, text, name='clips.csv'):
  path = folder / name
  path.write_bytes(text if isinstance(text, bytes) else text.encode())
  return path


def only(folder, text, name='clips.csv', **table_settings):
  """Returns the entry of the one row behind a good one."""
  good, entry = listed(write(folder, text, name), **table_settings)
  assert isinstance(good, Utterance)
  return entry


def refusal(folder, text, name='clips.csv', **table_settings):
  with pytest.raises(errors.SourceError) as caught:
    listed(write(folder, text, name), **table_settings)
  return str(caught.value)


def test_a_row_becomes_an_utterance(tmp_path):
  path = write(
    tmp_path,
    'path,label,speaker,split,age\nyes/a.wav,yes,anna,dev,41\n./no/../no/b.wav,no,ben,,\n',
  )
  first, second = listed(path)
  assert first == Utterance(
    utterance_id='yes/a.wav',
    speaker_id='anna',
    label='yes',
    uri=str(tmp_path / 'yes' / 'a.wav'),
    split=splits.VALIDATION,
    fields=(('age', '41'),),
    origin='clips.csv, row 2',
  )
  assert (second.utterance_id, second.split, second.fields) == ('no/b.wav', '', (('age', ''),))
  assert second.origin == 'clips.csv, row 3'


def test_a_long_recording_is_cut(tmp_path):
  path = write(
    tmp_path,
    'path,label,start,duration\nlong.wav,a,0.5,1.25\nlong.wav,a,3,\nlong.wav,a,,2\nlong.wav,a,,\n',
  )
  assert [(entry.utterance_id, entry.excerpt) for entry in listed(path)] == [
    ('long.wav#0.5-1.25', Excerpt(start_s=0.5, duration_s=1.25)),
    ('long.wav#3-', Excerpt(start_s=3.0)),
    ('long.wav#0-2', Excerpt(duration_s=2.0)),
    ('long.wav', None),
  ]


def test_a_part_may_be_given_by_its_end(tmp_path):
  path = write(tmp_path, 'path,label,start,end\nlong.wav,a,0.1,0.3\n')
  (entry,) = listed(path)
  assert entry.excerpt == Excerpt(start_s=0.1, duration_s=0.2)
  with pytest.raises(errors.ConfigError, match='duration_column or end_column, got both'):
    table.Table(duration_column='d', end_column='e')


def test_a_duration_without_a_start_is_information(tmp_path):
  path = write(tmp_path, 'path,label,duration\na.wav,a,3.2\n')
  (entry,) = listed(path)
  assert entry.excerpt is None
  assert entry.fields == (('duration', '3.2'),)
  (entry,) = listed(path, duration_column='duration')
  assert entry.excerpt == Excerpt(duration_s=3.2)


def test_columns_have_the_names_that_the_settings_give(tmp_path):
  text = 'file,word,who,set,at,for,key,speaker\nx.wav,yes,anna,test,1,2,k1,s\n'
  (entry,) = listed(
    write(tmp_path, text),
    path_column='file',
    label_column='word',
    speaker_column='who',
    split_column='set',
    start_column='at',
    duration_column='for',
    id_column='key',
  )
  assert entry.speaker_id == 'anna'
  assert entry.utterance_id == 'k1'
  assert entry.split == splits.TEST
  assert entry.excerpt == Excerpt(start_s=1.0, duration_s=2.0)
  assert entry.fields == (('speaker', 's'),)


def test_a_column_found_by_name_can_be_refused(tmp_path):
  path = write(tmp_path, 'path,label,id,speaker\na.wav,yes,1,anna\nb.wav,no,1,ben\n')
  assert [entry.utterance_id for entry in listed(path, id_column='-')] == ['a.wav', 'b.wav']
  entry = only(tmp_path, path.read_bytes())
  assert entry.reason == 'duplicate'
  assert "got '1' of row 2 again (column 'id'; table:id_column=-" in entry.detail


def test_without_speakers_every_clip_is_its_own(tmp_path):
  entries = listed(write(tmp_path, 'path,label\na.wav,yes\nb.wav,no\n'))
  assert [entry.speaker_id for entry in entries] == ['a.wav', 'b.wav']


# --- Rows that are no clips: each gives the row, what was wanted and what was got.

HEADER = 'path,label,speaker,split,start,duration\n'
GOOD = 'good.wav,yes,anna,,,\n'


@pytest.mark.parametrize(
  ('row', 'reason', 'sentence'),
  [
    (',yes,anna,,,', 'bad_row', "column 'path' is empty"),
    ('a.wav,,anna,,,', 'no_label', "column 'label' is empty"),
    ('a.wav,yes, ,,,', 'no_speaker', "column 'speaker' is empty"),
    ('a.wav,yes,anna,,one,', 'bad_row', "Wanted seconds .* column 'start', got 'one'"),
    ('a.wav,yes,anna,,-1,2', 'bad_row', "column 'start', got '-1'"),
    ('a.wav,yes,anna,,nan,2', 'bad_row', "got 'nan'"),
    ('a.wav,yes,anna,,1e999,2', 'bad_row', "got '1e999'"),
    ('a.wav,yes,anna,,"1,5",2', 'bad_row', "got '1,5'"),
    ('a.wav,yes,anna,,1,0', 'bad_row', 'longer than 0 s, got 0 s'),
    ('a.wav,yes,anna,third,,', 'bad_row', "Wanted the split as train.*got 'third'"),
    ('../a.wav,yes,anna,,,', 'outside', r"got '\.\./a\.wav'.*table:root"),
    ('x/../../a.wav,yes,anna,,,', 'outside', 'inside of'),
    ('..,yes,anna,,,', 'outside', 'inside of'),
    ('/etc/passwd,yes,anna,,,', 'outside', "got '/etc/passwd'"),
    ('.,yes,anna,,,', 'bad_row', 'path of an audio file'),
    ('good.wav,no,ben,,,', 'duplicate', "'good.wav' of row 2 again"),
    ('a.wav,yes,anna', 'bad_row', 'Wanted 6 cells, as the header has, got 3'),
    ('a.wav,yes,anna,,,,,', 'bad_row', 'got 8'),
  ],
)
def test_a_bad_row_is_a_reject_with_its_number(tmp_path, row, reason, sentence):
  entry = only(tmp_path, HEADER + GOOD + row + '\n')
  assert isinstance(entry, rejects.Reject)
  assert entry.reason == reason
  _match(sentence, entry.detail)
  assert entry.detail.startswith('clips.csv, row 3: ')


def _match(pattern, text):
  assert re.search(pattern, text), text


def test_an_end_before_the_start(tmp_path):
  entry = only(tmp_path, 'path,label,start,end\na.wav,a,0,1\nb.wav,a,3,2.5\n')
  assert 'got one from 3 s to 2.5 s' in entry.detail


def test_a_rejected_row_takes_no_id(tmp_path):
  path = write(tmp_path, 'path,label\nb.wav,yes\na.wav,\na.wav,yes\n')
  assert [type(entry) for entry in listed(path)] == [Utterance, rejects.Reject, Utterance]


def test_rejects_before_the_first_clip_are_kept(tmp_path):
  entries = listed(write(tmp_path, 'path,label\n,yes\na.wav,\nc.wav,yes\n'))
  assert [type(entry) for entry in entries] == [rejects.Reject, rejects.Reject, Utterance]
  assert entries[0].utterance_id == 'clips.csv, row 2'


def test_rows_are_numbered_as_an_editor_does(tmp_path):
  text = 'path,label,said\r\na.wav,yes,"one\r\ntwo"\r\n\r\n,,\r\nb.wav,no,x\r\n'
  assert [entry.origin for entry in listed(write(tmp_path, text))] == [
    'clips.csv, row 2',
    'clips.csv, row 6',
  ]


# --- Where the files are.


def test_absolute_paths_inside_of_the_folder_are_the_same_clips(tmp_path):
  path = write(tmp_path, f'path,label\n{tmp_path}/x/a.wav,yes\nx/b.wav,no\n')
  assert [entry.utterance_id for entry in listed(path)] == ['x/a.wav', 'x/b.wav']


@pytest.mark.parametrize('root', ['{}/audio', '../audio', '~/audio'])
def test_another_folder_may_be_the_root(tmp_path, monkeypatch, root):
  monkeypatch.setenv('HOME', str(tmp_path))
  (tmp_path / 'lists').mkdir()
  path = write(tmp_path / 'lists', f'path,label\na.wav,yes\n{tmp_path}/audio/b.wav,no\n')
  entries = listed(path, root=root.format(tmp_path))
  assert [entry.utterance_id for entry in entries] == ['a.wav', 'b.wav']
  assert [entry.uri for entry in entries] == [f'{tmp_path}/audio/{name}.wav' for name in 'ab']


def test_the_root_of_the_disk_allows_everything(tmp_path):
  (entry,) = listed(write(tmp_path, 'path,label\n/data/a.wav,yes\n'), root='/')
  assert (entry.utterance_id, entry.uri) == ('data/a.wav', '/data/a.wav')


def test_whole_addresses_are_taken_as_they_are(tmp_path):
  (entry,) = listed(write(tmp_path, 'path,label\ngs://bucket/x/../a.wav,yes\n'))
  assert entry.uri == entry.utterance_id == 'gs://bucket/x/../a.wav'


@pytest.mark.parametrize('name', ['clips.csv', 'clips.csv.gz'])
def test_a_table_in_a_bucket(tmp_path, name):
  data = b'path,label\nx/a.wav,yes\n../b.wav,no\n'
  write(tmp_path, gzip.compress(data) if name.endswith('.gz') else data, name)
  folder = f'{bucket.SCHEME}:/{tmp_path}'
  good, bad = listed(f'{folder}/{name}')
  assert good.uri == f'{folder}/x/a.wav'
  assert good.utterance_id == 'x/a.wav'
  assert good.origin == f'{name}, row 2'
  assert bad.reason == 'outside'
  with pytest.raises(errors.SourceError, match='There is no table diskbucket.*gone.csv'):
    listed(f'{folder}/gone.csv')
  with pytest.raises(errors.ConfigError, match='nosuch://x.csv.*voxshard'):
    listed('nosuch://x.csv')


# --- Tables that cannot be read as a whole.


def test_a_missing_table_and_a_folder(tmp_path):
  with pytest.raises(errors.SourceError, match=r'no table .*gone\.csv.*--input=FILE'):
    listed(tmp_path / 'gone.csv')
  write(tmp_path, 'path,label\n')
  with pytest.raises(errors.SourceError, match=r'is a folder.*It holds clips\.csv.*--input'):
    listed(tmp_path)


@pytest.mark.parametrize(
  ('name', 'content', 'sentence'),
  [
    ('clips.csv', b'', 'has no rows. Wanted a first row'),
    ('clips.csv', b'path,label\n\n', 'has no rows'),
    ('clips.jsonl', b'\n', 'has no rows'),
    ('clips.csv', b'path,lable\na.wav,yes\n', "no column 'label'. Did you mean 'lable'[?] It has"),
    ('clips.csv', b'file,label\na.wav,yes\n', 'which of them is the path with table:path_column='),
    ('clips.csv', b'path,label,path\na.wav,yes,b\n', "row 1: .*got 'path' 2 times. Rename"),
    ('clips.csv', b'path,label\na.wav,yes\nb.wav,j\xe4\n', 'row 3: wanted .* UTF-8, got .*0xe4'),
    ('clips.csv', 'path,label\n'.encode('utf-16'), 'UTF-16.*Save it as UTF-8'),
    ('clips.csv', b'RIFF\0\0\0\0WAVE', 'binary file'),
    ('clips.csv', b'PK\x03\x04rest', 'Excel workbook.*Save it as CSV'),
    ('clips.csv', gzip.compress(b'path,label\n', mtime=0), r'by gzip, .* name end with \.gz'),
    ('clips.csv.gz', gzip.compress(b'path,label\na.wav,yes\n' * 9, mtime=0)[:-9], 'Could not read'),
    ('clips.csv.gz', b'path,label\n', 'Could not read the table'),
    ('clips.csv', b'path,label\na.wav,"yes\nb.wav,no\n', 'row 2: .*quotes come in pairs'),
    ('clips.csv', b'path,label\na.wav,"y"es\n', 'row 2: .*table:quotes=false'),
    ('clips.xlsx', b'PK\x03\x04rest', 'Excel workbook'),
    ('clips.txt', b'path,label\n', r'none of \.csv, \.tsv'),
    ('clips.jsonl', b'{"path": "a.wav",\n', 'row 1: .*not JSON.*one object a line'),
    ('clips.json', b'[{"path": "a.wav"}]\n', 'row 1: .*got a list.*jq'),
    ('clips.jsonl', b'{"path": "a.wav"}\n', "no column 'label'"),
    ('clips.csv', b'path,label\n,yes\na.wav,\n', "None of the first 2 rows .*row 2: .*'pa"),
  ],
)  # fmt: skip
def test_a_table_that_cannot_be_read_is_one_sentence(tmp_path, name, content, sentence):
  text = refusal(tmp_path, content, name)
  _match(sentence, text)
  assert name in text
  assert text.endswith('.')


def test_endless_rejects_are_not_held_in_memory(tmp_path):
  text = 'path,label\n' + ''.join(f'{i}.wav,\n' for i in range(10_050))
  assert 'None of the first 10000 rows' in refusal(tmp_path, text)


# --- Forms.


def test_the_delimiter_of_a_csv_is_what_its_header_has(tmp_path):
  for sign in ',;\t':
    path = write(tmp_path, f'path{sign}label\na.wav{sign} yes \n')
    assert [entry.label for entry in listed(path)] == ['yes']
  path = write(tmp_path, 'path|label\na.wav|yes\n')
  assert [entry.label for entry in listed(path, delimiter='pipe')] == ['yes']
  for wrong in ('dot', '"'):
    with pytest.raises(errors.ConfigError, match='delimiter must'):
      table.Table(delimiter=wrong)


def test_quotes_may_stand_for_themselves(tmp_path):
  text = 'path\tlabel\tsaid\na.wav\tyes\t"Hello\nb.wav\tno\tworld\n'
  assert 'quotes=false' in refusal(tmp_path, text, 'clips.tsv')
  first, _ = listed(tmp_path / 'clips.tsv', quotes=False)
  assert first.fields == (('said', '"Hello'),)


def test_a_byte_order_mark_and_a_nameless_index_do_no_harm(tmp_path):
  (entry,) = listed(write(tmp_path, b'\xef\xbb\xbfpath,label,,\na.wav,yes,7,8\n'))
  assert entry.fields == ()
  (entry,) = listed(write(tmp_path, b'\xef\xbb\xbf{"path": "a.wav", "label": 7}', 'x.jsonl'))
  assert entry.label == '7'


def test_values_of_json_lines_become_text(tmp_path):
  lines = [
    {'path': 'a.wav', 'label': True, 'start': 0.5, 'speaker': 7, 'note': None, 'tags': [1]},
    {'path': 'b.wav', 'label': 'no', 'speaker': 8},
  ]
  path = write(tmp_path, '\n'.join(map(json.dumps, lines)), 'clips.ndjson')
  first, second = listed(path)
  assert (first.label, first.speaker_id) == ('true', '7')
  assert first.excerpt == Excerpt(start_s=0.5)
  assert first.fields == (('note', ''), ('tags', '[1]'))
  assert (second.excerpt, second.fields) == (None, (('note', ''), ('tags', '')))


@pytest.mark.parametrize(
  ('line', 'sentence'),
  [
    ('{"path": "b.wav", "label"', 'row 2: Wanted a JSON object, got what is not JSON'),
    ('["b.wav", "yes"]', 'got a list'),
    (r'{"path": "b.wav", "label": "\ud800"}', 'surrogate'),
    ('{"path": "b.wav", "label": "a", "speaker": "s"}', "has 'speaker', and the first one"),
    ('{"label": "a"}', "'path' is empty"),
    ('[' * 100_000, 'not JSON'),
  ],
)
def test_a_bad_object_is_a_reject(tmp_path, line, sentence):
  entry = only(tmp_path, f'{{"path": "a.wav", "label": "yes"}}\n{line}\n', 'clips.jsonl')
  assert entry.reason == 'bad_row'
  assert sentence in entry.detail


# --- Properties.

TEXT = st.text(st.characters(exclude_categories=('Cs', 'Cc')), min_size=1, max_size=8).map(
  str.strip
)
NAME = st.text('abcé 語,;"\'#', min_size=1, max_size=6).map(str.strip).filter(bool)
CLIP = st.fixed_dictionaries({
  'path': NAME.map('clips/{}.wav'.format),
  'label': TEXT.filter(bool),
  'speaker': TEXT.filter(bool),
  'split': st.sampled_from(('', *splits.SPLITS)),
  'start': st.one_of(st.just(''), st.floats(0, 1e6).map(repr)),
  'duration': st.one_of(st.just(''), st.floats(1e-6, 1e4).map(repr)),
  'said': TEXT,
})  # fmt: skip
CLIPS = st.lists(
  CLIP,
  min_size=1,
  max_size=8,
  unique_by=lambda clip: (clip['path'], clip['start'], clip['duration']),
)


def as_bytes(clips, name):
  if name.endswith('jsonl'):
    return '\n'.join(json.dumps(clip, ensure_ascii=False) for clip in clips).encode()
  text = io.StringIO()
  writer = csv.DictWriter(text, list(clips[0]), delimiter='\t' if name.endswith('tsv') else ',')
  writer.writeheader()
  writer.writerows(clips)
  return text.getvalue().encode()


@pytest.mark.parametrize('name', ['clips.csv', 'clips.tsv', 'clips.jsonl'])
@given(clips=CLIPS)
@settings(max_examples=60)
def test_what_was_written_comes_back(name, clips):
  with tempfile.TemporaryDirectory() as folder:
    entries = listed(write(pathlib.Path(folder), as_bytes(clips, name), name))
    assert len({entry.utterance_id for entry in entries}) == len(clips)
    for clip, entry in zip(clips, entries, strict=True):
      assert entry.uri == f'{folder}/{clip["path"]}'
      assert (entry.label, entry.speaker_id) == (clip['label'], clip['speaker'])
      assert entry.split == clip['split']
      assert entry.fields == (('said', clip['said']),)
      start, duration = (float(clip[key] or 0) for key in ('start', 'duration'))
      wanted = (
        Excerpt(start_s=start, duration_s=duration) if clip['start'] + clip['duration'] else None
      )
      assert entry.excerpt == wanted


@given(ids=st.lists(st.integers(0, 3000).map(str), max_size=50), more=st.integers(0, 3000))
@settings(max_examples=40)
def test_first_rows_are_those_of_a_dictionary(ids, more):
  ours, theirs = first_rows.FirstRows(), {}
  for row, clip_id in enumerate([*ids, *map(str, range(more)), *ids], 1):
    assert ours.first(clip_id, row) == theirs.get(clip_id, 0)
    theirs.setdefault(clip_id, row)


def test_settings_survive_the_command_line_and_pickle():
  for given_ in (table.Table(), table.Table(delimiter=',', root='/x y', quotes=False)):
    text = options.format_option('table', given_)
    assert options.parse(text, {'table': table.Table}, family='source') == ('table', given_)
    assert pickle.loads(pickle.dumps(given_)) == given_


def test_the_example_is_good(tmp_path):
  for name, data in table.SOURCE.example_files.items():
    write(tmp_path, data, name)
  entries = listed(tmp_path / 'clips.csv')
  assert {entry.uri for entry in entries} == {
    str(tmp_path / path) for path in table.SOURCE.example_tree
  }
  assert len(entries) == 6
