import pytest

from beam_jobs.sources import folders
from schemas import errors, rejects, utterance
from tests.beam_jobs.sources import trees


def read(tmp_path, *paths, **settings):
  good, bad = trees.listed('folders', trees.make(tmp_path, *paths), **settings)
  return {path: (clip.label, clip.speaker_id) for path, clip in good.items()}, bad


def test_the_first_folder_is_the_label_and_every_file_its_own_speaker(tmp_path):
  good, _ = read(tmp_path, 'yes/1.wav', 'no/a/b/1.flac')
  assert good == {
    'yes/1.wav': ('yes', 'yes/1.wav'),
    'no/a/b/1.flac': ('no', 'no/a/b/1.flac'),
  }


@pytest.mark.parametrize(
  'suffix', ['.wav', '.flac', '.ogg', '.opus', '.mp3', '.aiff', '.MP3', '.m4a', '.WMA']
)
def test_every_format_at_any_depth_is_a_clip(tmp_path, suffix):
  good, bad = read(tmp_path, f'yes/a/b/c/1{suffix}', f'no/1{suffix}', 'no/1.xyz', 'no/notes.txt')
  assert {path: label for path, (label, _) in good.items()} == {
    f'yes/a/b/c/1{suffix}': 'yes',
    f'no/1{suffix}': 'no',
  }
  assert not bad


def test_labels_may_be_in_any_script(tmp_path):
  good, _ = read(tmp_path, '一/陈/1.wav', 'ни́чего/x/1.wav', speaker_level=1)
  assert good == {'一/陈/1.wav': ('一', '陈'), 'ни́чего/x/1.wav': ('ни́чего', 'x')}


def test_the_speaker_is_a_folder(tmp_path):
  good, bad = read(tmp_path, 'yes/anna/1.wav', 'no/anna/1.wav', 'no/2.wav', speaker_level=1)
  assert good == {'yes/anna/1.wav': ('yes', 'anna'), 'no/anna/1.wav': ('no', 'anna')}
  assert bad['no/2.wav'].reason == 'no_speaker'
  assert 'The speaker is folder 1, and there are only the folders 0 to 0: no.' == (
    bad['no/2.wav'].detail
  )


def test_the_speaker_folder_may_stand_above_the_label(tmp_path):
  good, bad = read(tmp_path, 'anna/yes/1.wav', 'ben/1.wav', label_level=1, speaker_level=0)
  assert good == {'anna/yes/1.wav': ('yes', 'anna')}
  assert bad['ben/1.wav'].reason == 'no_label'


@pytest.mark.parametrize('pattern', ['([a-z]+)_[0-9]', '(?:x/)?(?P<speaker>[a-z]+)_([0-9])'])
def test_the_speaker_is_found_by_a_pattern(tmp_path, pattern):
  good, bad = read(tmp_path, 'b/x/anna_3.wav', 'b/7.wav', speaker_pattern=pattern)
  assert good == {'b/x/anna_3.wav': ('b', 'anna')}
  assert bad['b/7.wav'].reason == 'no_speaker'
  assert bad['b/7.wav'].detail == f"Wanted {pattern} in the path, got '7.wav'."


def test_the_pattern_is_not_searched_in_the_label(tmp_path):
  good, _ = read(tmp_path, 'spk9/spk1_x.wav', speaker_pattern='(spk[0-9])')
  assert good == {'spk9/spk1_x.wav': ('spk9', 'spk1')}


def test_an_empty_speaker_is_no_speaker(tmp_path):
  _, bad = read(tmp_path, 'a/anna_1.wav', 'a/_1.wav', speaker_pattern='^([a-z]*)_')
  assert bad['a/_1.wav'].reason == 'no_speaker'


def test_a_group_that_took_no_part_is_no_speaker(tmp_path):
  _, bad = read(tmp_path, 'a/s1.wav', 'a/none.wav', speaker_pattern='(s[0-9])|none')
  assert bad['a/none.wav'].reason == 'no_speaker'


def test_a_file_in_no_folder_has_no_label(tmp_path):
  good, bad = read(tmp_path, 'yes/1.wav', 'stray.wav')
  assert list(good) == ['yes/1.wav']
  assert bad['stray.wav'].reason == 'no_label'
  assert bad['stray.wav'].detail == (
    'The label is folder 0 of the path, and the file is in no folder.'
  )


@pytest.mark.parametrize(
  ('settings', 'sentence'),
  [
    ({'label_level': -1}, r'label_level must be 0 \(the first folder\) or more, got -1'),
    ({'speaker_level': -2}, r'speaker_level must be -1 \(none\) or .* got -2'),
    ({'speaker_level': 0}, 'a folder other than label_level=0, got 0'),
    ({'speaker_level': 1, 'speaker_pattern': '(a)'}, 'not from both'),
    ({'speaker_pattern': '(a'}, r"speaker_pattern '\(a' is no regular expression: .*Write it like"),
    ({'speaker_pattern': 'a+'}, r"speaker_pattern 'a\+' has no group"),
  ],
)
def test_bad_settings_are_refused_at_birth(settings, sentence):
  with pytest.raises(errors.ConfigError, match=sentence):
    folders.Folders(**settings)


def test_names_of_folders_are_stripped_and_composed_and_that_is_said(tmp_path):
  corpus = trees.make(
    tmp_path,
    'yes/ann/1.wav',
    'yes /ann/2.wav',
    'cafe\u0301/bob/3.wav',
    'caf\xe9/bo\u0308b /4.wav',
    ' /cyd/5.wav',
  )
  source = trees.sources.SOURCES['folders']
  entries = list(source.entries(corpus, folders.Folders(speaker_level=1)))
  clips = {e.utterance_id: e for e in entries if isinstance(e, utterance.Utterance)}
  assert {(clip.label, clip.speaker_id) for clip in clips.values()} == {
    ('yes', 'ann'), ('caf\xe9', 'bob'), ('caf\xe9', 'b\xf6b'),
  }  # fmt: skip
  # What opens the files stays as it is.
  assert set(clips) == {'yes/ann/1.wav', 'yes /ann/2.wav', 'cafe\u0301/bob/3.wav',
                        'caf\xe9/bo\u0308b /4.wav'}  # fmt: skip
  assert clips['yes /ann/2.wav'].uri == str(tmp_path / 'yes /ann/2.wav')
  (reject,) = (e for e in entries if isinstance(e, rejects.Reject))
  assert (reject.utterance_id, reject.reason) == (' /cyd/5.wav', 'no_label')
  assert [str(e) for e in entries if isinstance(e, rejects.Noted)] == [
    '2 renamed label: Spaces around the name were removed, or its letters composed (Unicode NFC). '
    r"('cafe\u0301' to 'caf\xe9', 'yes ' to 'yes')",
    '1 renamed speaker: Spaces around the name were removed, or its letters composed (Unicode NFC).'
    r" ('bo\u0308b ' to 'b\xf6b')",
  ]
