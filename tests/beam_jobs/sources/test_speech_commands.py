import collections
import hashlib
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from beam_jobs.sources import amounts, official_split, speech_commands
from schemas import errors, rejects
from tests.beam_jobs.sources import trees

CLIPS = ('no/a1_nohash_0.wav', 'no/b2_nohash_0.wav', 'yes/a1_nohash_0.wav', 'yes/c3_nohash_12.wav')
NOISE = tuple(f'_background_noise_/{name}.wav' for name in ('dishes', 'running_tap', 'white_noise'))

# From the lists of version 0.02 as published: speakers of its validation_list.txt and of its
# testing_list.txt.
VALIDATION_SPEAKERS = (
  '8b775397 2643992f 060cd039 f5e5e8b0 dbb40d24 d57febf0 16db1582 171b56dc 66cff190 22aa3665 '
  'b1426003 67c7fecb d9ae8983 826268f8 61bcb275 f84762e5 27b9a84f aa753bb9 88f8a99c 6071a214'
).split()
TEST_SPEAKERS = (
  'bb05582b 97f4c236 f2e59fea fdb5155e dc75148d 3f170018 18f8afd5 e1469561 5c8af87a aa48c94a '
  '837a0f64 e49428d9 c7124b73 9d4bab4f f0ae7203 aa80f517 7257420c 68dd409e 82d0d3ba f428ca69'
).split()


def official_rule(path, validation, testing):
  """which_set of Speech Commands, written anew from its description, in whole numbers."""
  name = re.sub('_nohash_.*$', '', path.rsplit('/', 1)[-1])
  number = int.from_bytes(hashlib.sha1(name.encode()).digest(), 'big') & (2**27 - 1)
  if number * 100 < validation * (2**27 - 1):
    return 'validation'
  return 'test' if number * 100 < (validation + testing) * (2**27 - 1) else 'train'


def many(words=('yes', 'no', 'bed', 'cat'), speakers=60, takes=2):
  """Paths of a larger corpus."""
  return tuple(
    f'{word}/{speaker:08x}_nohash_{take}.wav'
    for word in words
    for speaker in range(speakers)
    for take in range(takes)
  )


def counts_of(good):
  return collections.Counter((clip.label, clip.split) for clip in good.values())


def test_word_speaker_and_take_come_from_the_path(tmp_path):
  good, bad = trees.listed('speech_commands', trees.make(tmp_path, *CLIPS))
  clip = good['yes/c3_nohash_12.wav']
  assert (clip.label, clip.speaker_id) == ('yes', 'c3')
  assert clip.fields == (('take', '12'), ('word', 'yes'))
  assert clip.excerpt is None
  assert not bad


def test_the_official_lists_say_the_split_and_all_others_train(tmp_path):
  corpus = trees.make(tmp_path, *CLIPS)
  # As they come: the one with Windows ends of line, both with clips that are not here.
  (tmp_path / 'validation_list.txt').write_bytes(b'no/b2_nohash_0.wav\r\nbed/zz_nohash_0.wav\r\n')
  (tmp_path / 'testing_list.txt').write_text('yes/c3_nohash_12.wav\n\nbed/yy_nohash_0.wav')
  good, _ = trees.listed('speech_commands', corpus)
  assert {path: clip.split for path, clip in good.items()} == {
    'no/a1_nohash_0.wav': 'train',
    'no/b2_nohash_0.wav': 'validation',
    'yes/a1_nohash_0.wav': 'train',
    'yes/c3_nohash_12.wav': 'test',
  }


def test_one_list_is_enough_and_the_test_list_wins(tmp_path):
  corpus = trees.make(tmp_path, *CLIPS)
  (tmp_path / 'testing_list.txt').write_text('no/b2_nohash_0.wav\n')
  good, _ = trees.listed('speech_commands', corpus)
  assert [clip.split for clip in good.values()] == ['train', 'test', 'train', 'train']
  (tmp_path / 'validation_list.txt').write_text('no/b2_nohash_0.wav\nno/a1_nohash_0.wav\n')
  good, _ = trees.listed('speech_commands', corpus)
  assert [clip.split for clip in good.values()] == ['validation', 'test', 'train', 'train']


def test_the_published_lists_follow_the_rule(tmp_path):
  names = [*VALIDATION_SPEAKERS, *TEST_SPEAKERS]
  good, _ = trees.listed(
    'speech_commands', trees.make(tmp_path, *(f'right/{name}_nohash_1.wav' for name in names))
  )
  splits = {clip.speaker_id: clip.split for clip in good.values()}
  assert {splits[name] for name in VALIDATION_SPEAKERS} == {'validation'}
  assert {splits[name] for name in TEST_SPEAKERS} == {'test'}


@given(
  st.text('abcdef0123456789_', min_size=1, max_size=12),
  st.integers(0, 40),
  st.integers(0, 40),
)
def test_the_rule_agrees_with_another_implementation(name, validation, testing):
  speaker = name.partition('_nohash_')[0]
  ours = official_split.hashed_split(
    speaker, validation_percentage=validation, testing_percentage=testing
  )
  assert ours == official_rule(f'yes/{name}_nohash_3.wav', validation, testing)


def test_percentages_are_settings_and_two_zeros_are_no_split(tmp_path):
  corpus = trees.make(tmp_path, *many(speakers=200, takes=1))
  settings = {'validation_percentage': 0, 'testing_percentage': 40}
  good, _ = trees.listed('speech_commands', corpus, **settings)
  assert {path: clip.split for path, clip in good.items()} == {
    path: official_rule(path, 0, 40) for path in good
  }
  shares = collections.Counter(clip.split for clip in good.values())
  assert 0.3 < shares['test'] / len(good) < 0.5
  settings['testing_percentage'] = 0
  good, _ = trees.listed('speech_commands', corpus, **settings)
  assert {clip.split for clip in good.values()} == {''}


@pytest.mark.parametrize(
  ('base', 'lists'),
  [
    ('', ''),
    ('mini_speech_commands/', 'mini_speech_commands/'),
    ('mini_speech_commands_extracted/mini_speech_commands/', ''),
    ('train/audio/', 'train/'),
    ('audio/', ''),
    ('challenge/train/audio/', 'challenge/train/'),
  ],
)
def test_the_folders_of_the_words_may_stand_deeper(tmp_path, base, lists):
  paths = many(speakers=9)
  plain = trees.make(tmp_path / 'plain', *paths, *NOISE)
  deep = trees.make(tmp_path / 'deep', *(base + path for path in (*paths, *NOISE)))
  for folder in (tmp_path / 'plain', tmp_path / 'deep' / lists):
    (folder / 'testing_list.txt').write_text('\n'.join(paths[:7]))
  settings = {'wanted_words': 'yes+no', 'unknown': 0.5, 'silence': 5}
  expected, _ = trees.listed('speech_commands', plain, **settings)
  good, bad = trees.listed('speech_commands', deep, **settings)
  assert not bad
  found = {
    path.removeprefix(base): (clip.label, clip.speaker_id.removeprefix(base))
    for path, clip in good.items()
  }
  if lists in (base, base.removesuffix('audio/')):
    # The same clips become `unknown`, wherever the folder stands.
    assert found == {path: (clip.label, clip.speaker_id) for path, clip in expected.items()}
    assert sum(clip.split == 'test' for clip in good.values() if clip.label == 'yes') == 7
  else:
    assert {clip.split for clip in good.values()} == {'train', 'validation', 'test'}


def test_clips_without_labels_of_the_challenge_are_ignored(tmp_path):
  corpus = trees.make(
    tmp_path, *(f'train/audio/{path}' for path in CLIPS), 'test/audio/clip_000044442.wav'
  )
  good, bad = trees.listed('speech_commands', corpus)
  assert sorted(good) == [f'train/audio/{path}' for path in CLIPS]
  assert not bad
  inside = trees.make(tmp_path / 'train')
  good, bad = trees.listed('speech_commands', inside)
  assert sorted(good) == [f'audio/{path}' for path in CLIPS]
  assert not bad


def test_wanted_words_are_labels_and_a_share_of_the_rest_is_unknown(tmp_path):
  corpus = trees.make(tmp_path, *many())
  good, _ = trees.listed('speech_commands', corpus, wanted_words='yes+no', unknown=0.25)
  counts = counts_of(good)
  for split in ('train', 'validation', 'test'):
    wanted = counts['yes', split] + counts['no', split]
    assert wanted
    assert counts['unknown', split] == -(-wanted // 4)
  unknown = [clip for clip in good.values() if clip.label == 'unknown']
  assert {clip.field('word') for clip in unknown} == {'bed', 'cat'}
  rest = 240 - len(unknown)
  assert trees.left_out('speech_commands', corpus, wanted_words='yes+no', unknown=0.25) == {
    'not_wanted': rest
  }


def test_a_number_of_unknown_clips_is_spread_over_the_splits(tmp_path):
  corpus = trees.make(tmp_path, *many())
  good, _ = trees.listed('speech_commands', corpus, wanted_words='yes+no', unknown=40)
  counts = counts_of(good)
  assert sum(n for (label, _), n in counts.items() if label == 'unknown') == 40
  for split in ('train', 'validation', 'test'):
    wanted = counts['yes', split] + counts['no', split]
    assert abs(counts['unknown', split] - 40 * wanted / 240) < 1


def test_more_unknown_than_there_is_takes_all(tmp_path):
  corpus = trees.make(tmp_path, *many())
  settings = {'wanted_words': 'yes+no', 'unknown': 10_000}
  good, _ = trees.listed('speech_commands', corpus, **settings)
  assert len(good) == 480
  assert trees.left_out('speech_commands', corpus, **settings) == {}


def test_without_unknown_the_rest_is_counted_and_all_words_have_no_rest(tmp_path):
  corpus = trees.make(tmp_path, *many())
  settings = {'wanted_words': 'yes+no', 'unknown': 0}
  good, bad = trees.listed('speech_commands', corpus, **settings)
  assert {clip.label for clip in good.values()} == {'yes', 'no'}
  assert not bad
  assert trees.left_out('speech_commands', corpus, **settings) == {'not_wanted': 240}
  good, _ = trees.listed('speech_commands', corpus, wanted_words='all')
  assert {clip.label for clip in good.values()} == {'yes', 'no', 'bed', 'cat'}


def test_which_clips_are_unknown_follows_from_their_names_and_the_seed(tmp_path):
  def unknown(**settings):
    good, _ = trees.listed('speech_commands', corpus, wanted_words='yes+no', **settings)
    return {path for path, clip in good.items() if clip.label == 'unknown'}

  corpus = trees.make(tmp_path, *many())
  few, more = unknown(unknown=0.1), unknown(unknown=0.3)
  assert few < more
  assert few != unknown(unknown=0.1, seed=1)
  assert len(few) == len(unknown(unknown=0.1, seed=1))


def test_a_mistyped_word_is_an_error_that_lists_the_words(tmp_path):
  corpus = trees.make(tmp_path, *many())
  with pytest.raises(
    errors.SourceError,
    match=r"no clip of 'yess' below .*Did you mean 'yes'\? There are: bed, cat, no, yes\.",
  ):
    trees.read('speech_commands', corpus, wanted_words='no+yess')


def test_silence_is_cut_from_the_noise_a_part_of_each_for_each_split(tmp_path):
  corpus = trees.make(tmp_path, *many(), *NOISE)
  good, bad = trees.listed('speech_commands', corpus, silence=0.5, silence_s=0.8)
  assert not bad
  counts = counts_of(good)
  pieces = [clip for clip in good.values() if clip.label == 'silence']
  for split in ('train', 'validation', 'test'):
    words = sum(n for (label, of), n in counts.items() if of == split and label != 'silence')
    assert counts['silence', split] == -(-words // 2)
  windows = {clip.split: (clip.excerpt.window_start, clip.excerpt.window_end) for clip in pieces}
  assert windows == {'train': (0.0, 0.8), 'validation': (0.8, 0.9), 'test': (0.9, 1.0)}
  assert {clip.uri for clip in pieces} == {corpus.uri(path) for path in NOISE}
  assert {clip.excerpt.duration_s for clip in pieces} == {0.8}
  clip = good['_background_noise_/running_tap.wav#train-000007']
  assert clip.speaker_id == '_background_noise_/running_tap-train'
  assert clip.uri == corpus.uri('_background_noise_/running_tap.wav')


def test_pieces_of_silence_lie_anywhere_at_any_level_and_always_there(tmp_path):
  def pieces(**settings):
    good, _ = trees.listed('speech_commands', corpus, silence=300, **settings)
    return [clip.excerpt for clip in good.values() if clip.label == 'silence']

  corpus = trees.make(tmp_path, *many(), *NOISE)
  found = pieces()
  assert len(found) == 300
  positions = sorted(piece.position for piece in found)
  # Uniform in [0, 1): the largest distance from the diagonal (Kolmogorov, 300 draws, p = 0.001).
  assert max(abs(place - (i + 0.5) / 300) for i, place in enumerate(positions)) < 0.113
  assert -30 <= min(piece.gain_db for piece in found) < -27
  assert -3 < max(piece.gain_db for piece in found) <= 0
  assert found == pieces()
  assert found != pieces(seed=1)


def test_pieces_of_two_splits_never_overlap_in_any_recording(tmp_path):
  corpus = trees.make(tmp_path, *many(), *NOISE)
  good, _ = trees.listed('speech_commands', corpus, silence=300)
  for seconds in (3.0, 12.3, 60.0, 95.2):
    spans = collections.defaultdict(list)
    for clip in good.values():
      if clip.excerpt:
        spans[clip.uri, clip.split].append(clip.excerpt.bounds_s(seconds))
    for path in NOISE:
      uri = corpus.uri(path)
      last = {split: max(end for _, end in spans[uri, split]) for split in ('train', 'validation')}
      first = {
        split: min(begin for begin, _ in spans[uri, split]) for split in ('validation', 'test')
      }
      assert last['train'] <= first['validation'] + 1e-9
      assert last['validation'] <= first['test'] + 1e-9


def test_silence_without_an_official_split_keeps_each_recording_whole(tmp_path):
  corpus = trees.make(tmp_path, *many(), *NOISE)
  settings = {'silence': 6, 'validation_percentage': 0, 'testing_percentage': 0}
  good, _ = trees.listed('speech_commands', corpus, **settings)
  pieces = [clip for clip in good.values() if clip.label == 'silence']
  assert [clip.split for clip in pieces] == [''] * 6
  assert {clip.speaker_id for clip in pieces} == {path.removesuffix('.wav') for path in NOISE}


def test_silence_without_noise_is_an_error(tmp_path):
  corpus = trees.make(tmp_path, *many())
  with pytest.raises(
    errors.SourceError, match=r'silence=0\.1 needs recordings of noise in _background_noise_.*none'
  ):
    trees.read('speech_commands', corpus, silence=0.1)


def test_noise_alone_is_no_corpus_of_words(tmp_path):
  with pytest.raises(errors.SourceError, match='no folders of words .* only recordings of noise'):
    trees.read('speech_commands', trees.make(tmp_path, *NOISE))


def test_background_noise_is_left_out_without_a_reject(tmp_path):
  corpus = trees.make(tmp_path, *CLIPS, *NOISE)
  good, bad = trees.listed('speech_commands', corpus)
  assert sorted(good) == sorted(CLIPS)
  assert not bad
  settings = speech_commands.SpeechCommands()
  assert speech_commands.noise_paths(corpus, settings) == sorted(NOISE)


@pytest.mark.parametrize(
  'name',
  [
    'a1_nohash_0.wav',  # In no folder.
    'yes/deep/a1_nohash_0.wav',
    'yes/a1_hash_0.wav',
    'yes/_nohash_0.wav',
    'yes/a1_nohash_.wav',
    'yes/a1_nohash_x.wav',
    'yes/a1_nohash_1.2.wav',
  ],
)
def test_what_does_not_fit_is_a_bad_name(tmp_path, name):
  good, bad = trees.listed('speech_commands', trees.make(tmp_path, *CLIPS, name))
  assert sorted(good) == sorted(CLIPS)
  assert bad[name].reason == 'bad_name'
  assert bad[name].detail == f'Wanted <word>/<speaker>_nohash_<take>.wav, got {name!r}.'


def test_a_name_that_is_not_utf8_is_rejected_in_an_unwanted_word_too(tmp_path):
  corpus = trees.make(tmp_path, *CLIPS)
  try:
    (tmp_path / 'yes' / 'caf\udce9_nohash_0.wav').touch()
  except OSError:
    pytest.skip('This file system takes UTF-8 names only.')
  entries = trees.read('speech_commands', corpus, wanted_words='no', unknown=1)
  assert [e.reason for e in entries if isinstance(e, rejects.Reject)] == ['bad_name']


def test_a_list_that_is_no_text_is_an_error(tmp_path):
  corpus = trees.make(tmp_path, *CLIPS)
  (tmp_path / 'testing_list.txt').write_bytes(b'\xff\xfe\x00y')
  with pytest.raises(errors.SourceError, match=r'testing_list\.txt as UTF-8 text.*Repair it'):
    trees.listed('speech_commands', corpus)


@pytest.mark.parametrize('name', ['validation_percentage', 'testing_percentage'])
def test_shares_have_no_effect_where_there_are_lists(tmp_path, name):
  corpus = trees.make(tmp_path, *CLIPS)
  (tmp_path / 'testing_list.txt').write_text(CLIPS[0])
  with pytest.raises(
    errors.SourceError, match=f'{name}=20 has no effect: .* lists of the official'
  ):
    trees.listed('speech_commands', corpus, **{name: 20.0})
  assert trees.listed('speech_commands', corpus, **{name: 0.0})[0]


@pytest.mark.parametrize(
  ('settings', 'sentence'),
  [
    ({'wanted_words': ''}, "wanted_words must be 'all' or different words"),
    ({'wanted_words': 'yes+yes'}, "different words joined by .* got 'yes.yes'"),
    ({'unknown': -0.1}, 'unknown must be a share below 1'),
    ({'unknown': float('nan')}, 'unknown must be a share below 1'),
    ({'silence': 1.5}, 'silence must be .* whole number of clips'),
    ({'silence_s': 0}, 'silence_s must be more than 0 seconds, got 0'),
    ({'validation_percentage': -1}, 'leave something of 100 for train, got -1 and 10'),
    ({'unknown': 0.3}, 'unknown=0.3 has no effect as wanted_words=all leaves no word for it'),
    ({'silence_s': 2.0}, 'silence_s=2.0 has no effect without silence'),
    ({'wanted_words': 'no', 'unknown': 0, 'seed': 3}, 'seed=3 has no effect without silence, or'),
    ({'testing_percentage': 90}, 'leave something of 100 for train, got 10.* and 90'),
  ],
)
def test_bad_settings_are_refused_at_birth(settings, sentence):
  with pytest.raises(errors.ConfigError, match=sentence):
    speech_commands.SpeechCommands(**settings)


SIZES = st.dictionaries(st.sampled_from(('train', 'validation', 'test')), st.integers(0, 10**6))


@given(st.integers(1, 10**6), SIZES)
def test_numbers_are_spread_to_the_last_one(number, sizes):
  numbers = amounts.by_split(number, sizes)
  total = sum(sizes.values())
  assert sum(numbers.values()) == (number if total else 0)
  assert all(abs(numbers[split] - number * sizes[split] / total) < 1 for split in numbers)


@given(st.integers(0, 99), SIZES)
@example(28, {'train': 25})  # 7.000000000000001 clips are 7.
def test_shares_are_rounded_up(percent, sizes):
  numbers = amounts.by_split(percent / 100, sizes)
  assert all(number == -(-percent * sizes[split] // 100) for split, number in numbers.items())


def test_wanted_words_are_found_in_folders_with_spaces_around_their_names(tmp_path):
  corpus = trees.make(
    tmp_path, *(f'{word}/0a7c2a8{n}_nohash_0.wav' for word in ('yes ', 'no') for n in range(3))
  )
  source = trees.sources.SOURCES['speech_commands']
  settings = source.settings(wanted_words='yes', unknown=0.0)
  labels = [getattr(entry, 'label', '') for entry in source.entries(corpus, settings)]
  assert labels.count('yes') == 3
  assert 'yes ' not in labels
