import os
import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_jobs import sources
from beam_jobs.sources import file_names
from schemas import errors, options
from tests.beam_jobs.sources import trees


def read(tmp_path, pattern, *paths):
  return trees.listed('file_names', trees.make(tmp_path, *paths), pattern=pattern)


def test_the_default_reads_spoken_digits_in_any_folder(tmp_path):
  corpus = trees.make(tmp_path, '7_jackson_32.wav', 'recordings/0_theo_1.WAV')
  good, bad = trees.listed('file_names', corpus)
  clip = good['7_jackson_32.wav']
  assert (clip.label, clip.speaker_id, clip.fields) == ('7', 'jackson', (('take', '32'),))
  assert good['recordings/0_theo_1.WAV'].speaker_id == 'theo'
  assert not bad


def test_a_slash_makes_the_pattern_the_whole_path(tmp_path):
  good, bad = read(
    tmp_path,
    '{speaker}/{label}-{take}.flac',
    'anna/yes-1.flac',
    'ben/no-2.flac',
    'deep/ben/no-2.flac',
    'no-3.flac',
  )
  assert {p: (c.speaker_id, c.label) for p, c in good.items()} == {
    'anna/yes-1.flac': ('anna', 'yes'),
    'ben/no-2.flac': ('ben', 'no'),
  }
  assert sorted(bad) == ['deep/ben/no-2.flac', 'no-3.flac']


def test_without_speaker_every_file_is_its_own(tmp_path):
  good, _ = read(tmp_path, '{label}.{take}.wav', 'a/yes.1.wav', 'b/yes.1.wav')
  assert [clip.speaker_id for clip in good.values()] == ['a/yes.1.wav', 'b/yes.1.wav']


def test_names_take_the_shortest_text_and_further_ones_become_sorted_fields(tmp_path):
  good, _ = read(tmp_path, '{zone}_{label}_{age}.wav', 'a_b_c_d.wav')
  clip = good['a_b_c_d.wav']
  assert clip.label == 'b'
  assert clip.fields == (('age', 'c_d'), ('zone', 'a'))


def test_a_star_stands_for_any_text_even_none(tmp_path):
  good, bad = read(tmp_path, '*/{label}*_{speaker}.*', 'x/yes_a.mp3', 'y/no-loud_b.ogg', 'no_c.wav')
  assert {clip.label + clip.speaker_id for clip in good.values()} == {'ya', 'nb'}
  assert list(bad) == ['no_c.wav']


def test_signs_of_regular_expressions_stand_for_themselves(tmp_path):
  good, bad = read(tmp_path, '({label})+[{speaker}]?.wav', '(a)+[b]?.wav', 'ab.wav')
  assert (good['(a)+[b]?.wav'].label, list(bad)) == ('a', ['ab.wav'])


def test_the_reject_says_pattern_and_name(tmp_path):
  _, bad = read(tmp_path, '{label}_{speaker}.wav', 'a_b.wav', 'x/readme.wav', '_b.wav', 'a_b.flac')
  assert sorted(bad) == ['_b.wav', 'a_b.flac', 'x/readme.wav']
  assert bad['x/readme.wav'].reason == 'bad_name'
  assert bad['x/readme.wav'].detail == "Wanted {label}_{speaker}.wav, got 'readme.wav'."
  assert bad['x/readme.wav'].uri == str(tmp_path / 'x' / 'readme.wav')


@pytest.mark.parametrize(
  ('pattern', 'sentence'),
  [
    ('{speaker}_{take}.wav', r'does not say where the \{label\} stands'),
    ('', r'does not say where the \{label\} stands'),
    ('{label}_{label}.wav', r'names \{label\} twice'),
    ('{label}_{take.wav', 'a brace without its partner'),
    ('{label}_take}.wav', 'a brace without its partner'),
    ('{{label}}.wav', 'a brace without its partner'),
    ('{label}_{}.wav', r'names \{\}, and a name has small letters'),
    ('{label}_{Take}.wav', r'names \{Take\}, and a name has'),
    ('{label}_{a b}.wav', r'names \{a b\}, and a name has'),
    ('{speaker}_{label}', 'must end with the ending of the files'),
    ('{speaker}.{label}', 'must end with the ending of the files'),
    ('{label}.d/{speaker}', 'must end with the ending of the files'),
  ],
)
def test_a_bad_pattern_is_refused_at_birth_with_an_example(pattern, sentence):
  with pytest.raises(
    errors.ConfigError, match=sentence + r'.*Write it like \{label\}_\{speaker\}_'
  ):
    file_names.FileNames(pattern=pattern)


def test_a_bad_pattern_on_the_command_line_names_the_source():
  table = sources.SETTINGS
  with pytest.raises(errors.ConfigError, match="source 'file_names': pattern '{x}.wav' does not"):
    options.parse('file_names:pattern={x}.wav', table, family='source')


_TEXT = st.text(
  st.characters(blacklist_characters='/_\0', blacklist_categories=('Cs',)), min_size=1, max_size=8
)


@given(label=_TEXT, speaker=_TEXT, take=_TEXT)
def test_what_was_put_into_a_name_is_read_from_it(label, speaker, take):
  # The bare corpus: what names a disk takes is not the matter here.
  class OneFile:
    folder = '/corpus'

    def entries(self, suffixes, passed):
      return [f'{label}_{speaker}_{take}.wav']

    def uri(self, relative):
      return os.path.join(self.folder, relative)

    def state(self, relative):
      return ''

  (clip,) = file_names.list_utterances(OneFile(), file_names.FileNames())
  assert (clip.label, clip.speaker_id, clip.field('take')) == (label, speaker, take)


@pytest.mark.fsdd
@pytest.mark.skipif('VOXSHARD_FSDD' not in os.environ, reason='VOXSHARD_FSDD names no folder')
def test_the_free_spoken_digits_are_read_whole():
  root = pathlib.Path(os.environ['VOXSHARD_FSDD'])
  good, bad = trees.listed('file_names', trees.make(root))
  assert not bad
  assert len(good) == len(list(root.rglob('*.wav')))
  assert {clip.label for clip in good.values()} == set('0123456789')
  for clip in good.values():
    take = clip.field('take')
    assert clip.utterance_id.endswith(f'{clip.label}_{clip.speaker_id}_{take}.wav')
    assert take.isdigit()
    assert clip.speaker_id.isalpha()
