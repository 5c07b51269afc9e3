import csv

import pytest

from beam_jobs.sources import common_voice
from beam_jobs.sources import corpus as corpus_lib
from schemas import errors, utterance
from tests.beam_jobs.sources import trees

NEW = (
  'client_id path sentence_id sentence sentence_domain up_votes down_votes age gender accents '
  'variant locale segment'
).split()
OLD = 'client_id path sentence up_votes down_votes age gender accent locale segment'.split()


def write(folder, name, rows, columns=NEW):
  """Writes a table as Common Voice does: tabs, no quotes, and an empty field for what is open."""
  folder.mkdir(parents=True, exist_ok=True)
  lines = ['\t'.join(columns)]
  for i, row in enumerate(rows):
    row = {'path': f'common_voice_en_{i}.mp3', 'locale': 'en', 'up_votes': '2', **row}
    lines.append('\t'.join(row.get(column, '') for column in columns))
  (folder / name).write_text('\n'.join(lines) + '\n', encoding='utf-8')
  return corpus_lib.Corpus(str(folder))


def read(corpus, **settings):
  """Returns the clips by path, the rejects by id, and what is left out."""
  entries = trees.read('common_voice', corpus, **settings)
  good = {e.utterance_id: e for e in entries if isinstance(e, utterance.Utterance)}
  bad = {e.utterance_id: e for e in entries if hasattr(e, 'detail')}
  return good, bad, trees.left_out('common_voice', corpus, **settings)


def ages(*values):
  return [{'client_id': f'c{i}', 'age': age} for i, age in enumerate(values)]


@pytest.mark.parametrize('columns', [NEW, OLD], ids=['new', 'old'])
def test_a_row_is_a_clip_with_its_voice_and_what_is_known_of_it(tmp_path, columns):
  accent = 'accents' if columns is NEW else 'accent'
  rows = [{'client_id': 'abc', 'age': 'twenties', 'gender': 'female', accent: 'India, Scotland'}]
  corpus = write(tmp_path, 'validated.tsv', rows, columns)
  (clip,) = read(corpus)[0].values()
  assert clip.utterance_id == 'clips/common_voice_en_0.mp3'
  assert clip.uri == str(tmp_path / 'clips' / 'common_voice_en_0.mp3')
  assert (clip.label, clip.speaker_id, clip.split) == ('twenties', 'abc', '')
  said = dict(clip.fields)
  assert list(said) == sorted(said)
  assert (said['accent'], said['age'], said['gender']) == ('India, Scotland', 'twenties', 'female')
  # And what else the release has, such as the sentence, but for what a record says elsewhere.
  assert set(said) == {*columns} - {'client_id', 'path', 'accents'} | {'accent'}
  assert clip.origin == 'validated.tsv, row 2'


def test_the_label_is_what_was_asked_for(tmp_path):
  row = {
    'client_id': 'abc',
    'age': 'teens',
    'gender': 'male',
    'accents': 'Wales',
    'sentence': 'Hi.',
  }
  corpus = write(tmp_path, 'validated.tsv', [row])
  expected = {'age': 'teens', 'gender': 'male', 'accent': 'Wales', 'sentence': 'Hi.'}
  for label, value in {**expected, 'client_id': 'abc'}.items():
    assert [clip.label for clip in read(corpus, label=label)[0].values()] == [value]


def test_genders_of_new_and_old_releases_are_the_same(tmp_path):
  values = ['male', 'male_masculine', 'female', 'female_feminine', 'other', 'non-binary']
  rows = [{'client_id': f'c{i}', 'gender': value} for i, value in enumerate(values)]
  rows.append({'client_id': 'c', 'gender': 'do_not_wish_to_say'})
  good, bad, left_out = read(write(tmp_path, 'validated.tsv', rows), label='gender')
  assert [clip.label for clip in good.values()] == [
    *('male', 'male', 'female', 'female', 'other', 'non-binary')
  ]
  assert not bad
  assert left_out == {'no_label': 1}


def test_bands_of_age_from_the_oldest_on_are_one(tmp_path):
  corpus = write(tmp_path, 'validated.tsv', ages(*common_voice.AGES, 'forties'))
  good, _, _ = read(corpus, oldest='sixties')
  assert [clip.label for clip in good.values()] == [
    *('teens', 'twenties', 'thirties', 'fourties', 'fifties'),
    *['sixties_plus'] * 4,
    'fourties',
  ]
  good, _, _ = read(corpus, oldest='nineties')
  assert [clip.label for clip in good.values()][8] == 'nineties_plus'
  good, _, _ = read(corpus)
  assert [clip.label for clip in good.values()][:9] == list(common_voice.AGES)


def test_rows_that_leave_the_label_open_are_counted_and_are_no_rejects(tmp_path):
  corpus = write(tmp_path, 'validated.tsv', ages('teens', '', 'fifties', ' ', ''))
  good, bad, left_out = read(corpus)
  assert [clip.label for clip in good.values()] == ['teens', 'fifties']
  assert not bad
  assert left_out == {'no_label': 3}


def test_the_official_lists_say_the_split(tmp_path):
  for name, number in (('train', 3), ('dev', 2), ('test', 1)):
    rows = [
      {'client_id': f'{name}{i}', 'path': f'{name}_{i}.mp3', 'age': 'teens'} for i in range(number)
    ]
    corpus = write(tmp_path, f'{name}.tsv', rows)
  good, _, _ = read(corpus, lists='official')
  assert [(clip.speaker_id, clip.split) for clip in good.values()] == [
    *(('train0', 'train'), ('train1', 'train'), ('train2', 'train')),
    *(('dev0', 'validation'), ('dev1', 'validation'), ('test0', 'test')),
  ]
  assert good['clips/dev_1.mp3'].origin == 'dev.tsv, row 3'


def test_a_clip_in_two_lists_counts_once(tmp_path):
  for name in ('train', 'dev', 'test'):
    corpus = write(tmp_path, f'{name}.tsv', ages('teens'))
  good, bad, _ = read(corpus, lists='official')
  assert [clip.split for clip in good.values()] == ['train']
  assert [(r.utterance_id, r.reason) for r in bad.values()] == [
    ('dev.tsv, row 2', 'duplicate'), ('test.tsv, row 2', 'duplicate'),
  ]  # fmt: skip
  assert bad['dev.tsv, row 2'].detail == (
    'dev.tsv, row 2: clips/common_voice_en_0.mp3 stands in an earlier row too.'
  )


def test_quotes_in_sentences_are_text_as_an_independent_reader_reads_them(tmp_path):
  sentences = ['"Yes," she said.', 'a "b', '"', "it's", 'ä—中文', '""']
  rows = [{'client_id': f'c{i}', 'sentence': text} for i, text in enumerate(sentences)]
  corpus = write(tmp_path, 'validated.tsv', rows)
  good, bad, _ = read(corpus, label='sentence')
  assert [clip.label for clip in good.values()] == sentences
  assert not bad
  lines = (tmp_path / 'validated.tsv').read_text(encoding='utf-8').splitlines()[1:]
  assert [line.split('\t')[3] for line in lines] == sentences


def test_bad_rows_are_rejected_with_their_number(tmp_path):
  corpus = write(tmp_path, 'validated.tsv', ages('teens'))
  with open(tmp_path / 'validated.tsv', 'ab') as table:
    table.write(b'too\tshort\n')  # Row 3.
    table.write(b'\n')  # An empty line is no row.
    for client, path, age in (
      (b'', b'a.mp3', b'teens'),
      (b'x', b'', b'teens'),
      (b'x', b'../../etc/passwd', b'teens'),
      (b'x', b'/etc/passwd', b'teens'),
      (b'x', b'caf\xe9.mp3', b'teens'),
      (b'x', b'b.mp3', b'teens\r\r'),
      (b'x', b'c.mp3', b'a' * (csv.field_size_limit() + 1)),
      (b'x', b'last.mp3', b'teens'),
    ):
      row = [client, path, b'', b'', b'', b'2', b'0', age, b'', b'', b'', b'en', b'']
      table.write(b'\t'.join(row) + b'\r\n')
  good, bad, _ = read(corpus)
  assert list(good) == ['clips/common_voice_en_0.mp3', 'clips/last.mp3']
  expected = {
    3: ('bad_row', 'Wanted 13 columns, got 2.'),
    5: ('no_speaker', 'Its client_id is empty.'),
    6: ('bad_row', "Wanted the name of a file in clips/, got ''."),
    7: ('bad_row', "Wanted the name of a file in clips/, got '../../etc/passwd'."),
    8: ('bad_row', "Wanted the name of a file in clips/, got '/etc/passwd'."),
    9: ('bad_row', 'Wanted UTF-8, and some of its bytes are not.'),
    10: ('bad_row', 'It cannot be read: new-line character'),
    11: ('bad_row', 'It cannot be read: field larger than field limit'),
  }
  assert list(bad) == [f'validated.tsv, row {number}' for number in expected]
  for number, (reason, detail) in expected.items():
    reject = bad[f'validated.tsv, row {number}']
    assert reject.reason == reason
    assert reject.detail.startswith(f'validated.tsv, row {number}: {detail}')
    assert reject.uri == corpus.uri('validated.tsv')


def test_names_of_the_first_releases_get_their_ending(tmp_path):
  rows = [{'client_id': 'c', 'path': 'a1b2c3', 'age': 'teens'}]
  assert list(read(write(tmp_path, 'validated.tsv', rows))[0]) == ['clips/a1b2c3.mp3']


def test_a_missing_list_is_named_and_a_language_below_is_shown(tmp_path):
  write(tmp_path / 'release' / 'de', 'validated.tsv', ages('teens'))
  write(tmp_path / 'release' / 'zh-CN', 'validated.tsv', ages('teens'))
  with pytest.raises(
    errors.SourceError,
    match=r'no validated\.tsv in .*release, .*There is one in de, zh-CN: is it one of these\?',
  ):
    read(corpus_lib.Corpus(str(tmp_path / 'release')))
  with pytest.raises(errors.SourceError, match=r'no train\.tsv in .*which lists=official reads'):
    read(corpus_lib.Corpus(str(tmp_path / 'release' / 'de')), lists='official')


def test_a_missing_column_is_named_with_those_there_are(tmp_path):
  corpus = write(tmp_path, 'validated.tsv', ages('teens'), ['client_id', 'path', 'age'])
  assert len(read(corpus)[0]) == 1
  with pytest.raises(
    errors.SourceError, match=r'no column accents or accent\. It has: client_id, path, age\.'
  ):
    read(corpus, label='accent')
  (tmp_path / 'validated.tsv').write_text('')
  with pytest.raises(errors.SourceError, match=r'no column client_id\. It has: none'):
    read(corpus)


def test_a_table_without_any_label_is_an_error(tmp_path):
  corpus = write(tmp_path, 'validated.tsv', ages('', ''))
  with pytest.raises(
    errors.SourceError, match=r'None of the 2 rows of validated\.tsv .* the age of a clip \(2 leave'
  ):
    read(corpus)


@pytest.mark.parametrize(
  ('settings', 'sentence'),
  [
    ({'label': 'agee'}, "label must be one of age, gender, .* got 'agee'. Did you mean 'age'"),
    ({'lists': 'train'}, "lists must be one of validated, official, got 'train'"),
    ({'oldest': 'sixty'}, "oldest must be one of teens, .* got 'sixty'. Did you mean 'sixties'"),
    ({'oldest': 'sixties', 'label': 'gender'}, 'merges bands of age, and the label is gender'),
  ],
)
def test_bad_settings_are_refused_at_birth(settings, sentence):
  with pytest.raises(errors.ConfigError, match=sentence):
    common_voice.CommonVoice(**settings)
