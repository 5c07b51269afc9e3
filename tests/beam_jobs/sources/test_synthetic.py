import collections
import json
import os
import pathlib
import sys
import time
import wave

import numpy as np
import pytest
from scipy import signal

from beam_jobs import sources
from beam_jobs.sources import corpus as corpus_lib
from beam_jobs.sources import synthetic
from beam_jobs.sources.synthesis import backgrounds, build, languages, script, voices
from schemas import errors
from tests.beam_jobs.sources import trees

espeakng_loader = pytest.importorskip('espeakng_loader')

WORDS = 'yes+no+up+down+left+right+on+off+stop+go'
SMALL = {'words': 'yes+no', 'unknown_words': 'bed', 'voices': 3, 'takes': 2}
NOISES = ['babble', 'brown_noise', 'crackle', 'hum', 'pink_noise', 'white_noise', 'wind']


def prepare(root, **settings):
  sources.SOURCES['synthetic'].prepare(str(root), synthetic.Synthetic(**settings))
  return root


def content(root):
  return {
    path.relative_to(root).as_posix(): path.read_bytes()
    for path in sorted(root.rglob('*'))
    if path.is_file()
  }


def samples_of(path):
  with wave.open(str(path)) as file:
    assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
    return np.frombuffer(file.readframes(file.getnframes()), '<i2') / 32_768


@pytest.fixture(scope='module')
def made(tmp_path_factory):
  """All words by all voices, twice each, and ten more once."""
  return prepare(tmp_path_factory.mktemp('synthetic') / 'corpus', takes=2)


def words_of(made, **settings):
  """The clips of the words to be told apart."""
  corpus = corpus_lib.Corpus(str(made))
  return trees.listed('synthetic', corpus, **{'unknown': 0, 'silence': 0, **settings})[0]


def test_every_word_by_every_voice_in_the_layout_of_speech_commands(made):
  good = words_of(made, takes=2)
  assert len(good) == 10 * 24 * 2
  assert {clip.label for clip in good.values()} == set(WORDS.split('+'))
  assert len({clip.speaker_id for clip in good.values()}) == 24
  assert 'stop/en-us-f2_nohash_1.wav' in good
  corpus = corpus_lib.Corpus(str(made))
  assert good == trees.listed('speech_commands', corpus, wanted_words=WORDS, unknown=0)[0]


def test_other_words_and_noise_are_labels_too(made):
  good, bad = trees.listed('synthetic', corpus_lib.Corpus(str(made)), takes=2)
  assert not bad
  counts = collections.Counter((clip.label, clip.split) for clip in good.values())
  assert {label for label, _ in counts} == {*WORDS.split('+'), 'unknown', 'silence'}
  for label in ('unknown', 'silence'):
    assert counts[label, 'train'] == 32
    assert counts[label, 'validation'] == counts[label, 'test'] == 8
  assert {clip.field('word') for clip in good.values() if clip.label == 'unknown'} <= {
    *'bed bird cat dog happy house marvin sheila tree wow'.split()
  }


def test_takes_of_the_other_words_are_as_many_as_are_asked_for():
  assert synthetic.Synthetic().unknown_takes() == 1
  assert synthetic.Synthetic(unknown=0.5).unknown_takes() == 5
  assert synthetic.Synthetic(unknown=500).unknown_takes() == 3
  assert synthetic.Synthetic(unknown=10**6).unknown_takes() == 10
  assert synthetic.Synthetic(unknown=0).unknown_takes() == 0
  assert synthetic.Synthetic(words='yes+tree').spoken_unknown_words() == tuple(
    'bed bird cat dog happy house marvin sheila wow'.split()
  )


def test_noise_is_loud_enough_long_enough_and_of_the_colour_it_says(made):
  folder = made / '_background_noise_'
  assert sorted(path.stem for path in folder.iterdir()) == NOISES
  found = sources.SOURCES['synthetic'].noise_paths(
    corpus_lib.Corpus(str(made)), synthetic.Synthetic()
  )
  assert found == [f'_background_noise_/{name}.wav' for name in NOISES]
  for name in NOISES:
    samples = samples_of(folder / f'{name}.wav')
    assert len(samples) == 20 * 16_000
    assert 20 * np.log10(np.sqrt(np.mean(samples**2))) == pytest.approx(
      -20, abs=1
    )  # Loud clicks are clipped.
    # No second of it is silent: each is a good piece of background.
    assert np.sqrt(np.mean(samples.reshape(20, -1) ** 2, axis=1)).min() > 0.01
  for name, slope in (('white_noise', 0), ('pink_noise', -1), ('brown_noise', -2)):
    frequency_hz, power = signal.welch(samples_of(folder / f'{name}.wav'), 16_000, nperseg=1024)
    band = (frequency_hz > 100) & (frequency_hz < 4_000)
    fitted = np.polyfit(np.log(frequency_hz[band]), np.log(power[band]), 1)[0]
    assert fitted == pytest.approx(slope, abs=0.1), name
  frequency_hz, power = signal.welch(samples_of(folder / 'hum.wav'), 16_000, nperseg=16_000)
  assert frequency_hz[power.argmax()] == 50


def test_no_held_out_voice_is_in_the_babble():
  clips = script.CorpusPlan(words=('a', 'b'), speakers=voices.VOICES, takes=1).clips()
  split_of = script.split_of_speakers(voices.VOICES)
  babblers = build._babblers(clips, split_of)
  assert len(babblers) == 16
  assert {split_of[name] for name in babblers} == {'train'}


def test_noise_under_the_words_is_as_far_below_as_was_asked(tmp_path):
  clean = prepare(tmp_path / 'clean', **SMALL)
  noisy = prepare(tmp_path / 'noisy', **SMALL, noise_snr_db='5..20')
  ratios = []
  for path in sorted(clean.rglob('*_nohash_*.wav')):
    speech = samples_of(path)
    mixed = samples_of(noisy / path.relative_to(clean))
    assert len(mixed) == max(len(speech), 16_000)
    alone = mixed[len(speech) :] if len(speech) < 14_000 else None
    if alone is not None and np.abs(mixed).max() < 0.99:
      noise = mixed.copy()
      noise[: len(speech)] -= speech
      ratios.append(10 * np.log10(np.mean(speech**2) / np.mean(noise**2)))
  assert len(ratios) > 5
  assert 4.9 < min(ratios) < max(ratios) < 20.1
  assert max(ratios) - min(ratios) > 3


def test_mixing_meets_the_ratio_exactly():
  rng = np.random.default_rng(0)
  speech, noise = rng.standard_normal(100), rng.standard_normal(300)
  rest = backgrounds.mixed(speech, noise, snr_db=7.0)
  rest[:100] -= speech
  assert 10 * np.log10(np.mean(speech**2) / np.mean(rest**2)) == pytest.approx(7.0)


@pytest.mark.parametrize('language', sorted(languages.LANGUAGES))
def test_every_language_is_spoken_and_its_words_differ(tmp_path, language):
  root = prepare(tmp_path / 'corpus', language=language, voices=1, takes=1, unknown=0.99)
  good = words_of(root, language=language, voices=1, takes=1)
  words = languages.LANGUAGES[language].words.split('+')
  assert sorted(clip.label for clip in good.values()) == sorted(words)
  clips = content(root)
  sounds = [value for path, value in clips.items() if '_nohash_' in path]
  others = languages.LANGUAGES[language].others.split('+')
  assert len(set(sounds)) == len(words) + len(others) == 20


def test_mandarin_labels_are_characters_and_voices_keep_their_throats(tmp_path):
  root = prepare(tmp_path / 'corpus', language='cmn', voices=3, takes=1)
  good, _ = trees.listed('synthetic', corpus_lib.Corpus(str(root)), language='cmn')
  assert {clip.label for clip in good.values()} == {*'一二三四五六七八九十', 'unknown', 'silence'}
  assert good['十/cmn-f2_nohash_0.wav'].speaker_id == 'cmn-f2'


def test_a_language_of_espeak_that_is_not_in_the_table_takes_words(tmp_path):
  root = prepare(tmp_path / 'corpus', language='tr', words='evet+hayır', voices=1, takes=1)
  good = words_of(root, language='tr', words='evet+hayır', voices=1, takes=1)
  assert sorted(good) == ['evet/tr-f2_nohash_0.wav', 'hayır/tr-f2_nohash_0.wav']
  with pytest.raises(errors.SourceError, match=r"has no voice 'xx\+f2'"):
    prepare(tmp_path / 'other', language='xx', words='a+b', voices=1, takes=1)


def test_one_letter_is_the_same_however_it_is_written():
  composed, decomposed = 'sí+no', 'si\u0301+no'
  assert composed != decomposed
  assert (
    synthetic.Synthetic(words=composed).spoken_words()
    == synthetic.Synthetic(words=decomposed).spoken_words()
  )


def test_four_voices_each_are_held_out_for_validation_and_test(made):
  good = words_of(made, takes=2)
  speakers = {split: set() for split in ('train', 'validation', 'test')}
  for clip in good.values():
    speakers[clip.split].add(clip.speaker_id)
  assert [len(names) for names in speakers.values()] == [16, 4, 4]
  assert len(set.union(*speakers.values())) == 24


def test_clips_are_words_of_less_than_a_second(made):
  for path in made.rglob('*_nohash_*.wav'):
    samples = samples_of(path)
    assert 0.15 < len(samples) / 16_000 < 1.0, path
    assert np.sqrt(np.mean(samples**2)) > 0.01, path


def test_silence_is_trimmed_and_the_peak_is_as_planned(made):
  clips = script.CorpusPlan(words=tuple(WORDS.split('+')), speakers=voices.VOICES, takes=2).clips()
  for clip in clips[::7]:
    samples = samples_of(made / clip.path)
    peak = np.abs(samples).max()
    assert 20 * np.log10(peak) == pytest.approx(clip.peak_db, abs=0.02)
    (loud,) = np.nonzero(np.abs(samples) > 0.009 * peak)
    lead_in_s = clip.lead_in_ms / 1000
    assert lead_in_s <= loud[0] / 16_000 < lead_in_s + 0.02
    assert (len(samples) - loud[-1]) / 16_000 < 0.02


def test_words_of_unheard_voices_are_told_by_their_nearest_neighbour(made):
  # No network here: that the sounds carry the words is enough. Chance is one in ten.
  def features(path):
    padded = np.zeros(16_000)
    samples = samples_of(path)
    padded[: len(samples)] = samples / np.abs(samples).max()
    frames = padded.reshape(50, 320) * np.hanning(320)
    power = np.abs(np.fft.rfft(frames, axis=1))[:, 4:84] ** 2
    return np.log(power.reshape(50, 16, 5).sum(axis=2) + 1e-3).ravel()

  good = words_of(made, takes=2)
  by_split = {split: [c for c in good.values() if c.split == split] for split in ('train', 'test')}
  known = np.stack([features(clip.uri) for clip in by_split['train']])
  right = 0
  for clip in by_split['test']:
    nearest = np.argmin(np.linalg.norm(known - features(clip.uri), axis=1))
    right += by_split['train'][nearest].label == clip.label
  assert right / len(by_split['test']) > 0.5


def test_the_same_settings_give_the_same_bytes_at_another_time_and_place(tmp_path):
  first = prepare(tmp_path / 'first', **SMALL)
  second_of_day = int(time.time())
  while int(time.time()) == second_of_day:  # eSpeak by itself seeds its noise with the second.
    time.sleep(0.05)
  second = prepare(tmp_path / 'deep' / 'second', **SMALL)
  assert content(first) == content(second)
  other = prepare(tmp_path / 'other', **SMALL, seed=1)
  assert content(first)['yes/en-us-f2_nohash_0.wav'] != content(other)['yes/en-us-f2_nohash_0.wav']


def test_a_corpus_that_is_there_is_kept(tmp_path):
  root = prepare(tmp_path / 'corpus', **SMALL)
  clip = root / 'yes' / 'en-us-f2_nohash_0.wav'
  clip.write_bytes(b'mine')
  prepare(root, **SMALL)
  assert clip.read_bytes() == b'mine'


def test_an_empty_folder_is_filled_and_nothing_else_is_left(tmp_path):
  (tmp_path / 'corpus').mkdir()
  root = prepare(tmp_path / 'corpus', **SMALL)
  assert len(list(root.rglob('*_nohash_*.wav'))) == 2 * 3 * 2 + 3
  assert os.listdir(tmp_path) == ['corpus']


def test_other_settings_are_an_error_that_says_the_difference(tmp_path):
  root = prepare(tmp_path / 'corpus', **SMALL)
  before = content(root)
  with pytest.raises(errors.SourceError, match=r'other settings: takes=2 and not 3\. Remove the'):
    prepare(root, **{**SMALL, 'takes': 3})
  assert content(root) == before


def test_a_corpus_of_another_version_is_an_error(tmp_path):
  root = prepare(tmp_path / 'corpus', **SMALL)
  marker = json.loads((root / build.MARKER).read_text())
  (root / build.MARKER).write_text(json.dumps({**marker, 'plan': 'older'}))
  with pytest.raises(errors.SourceError, match="other settings: plan='older' and not '.*Remove"):
    prepare(root, **SMALL)


def test_a_corpus_of_an_older_version_is_an_error(tmp_path):
  root = prepare(tmp_path / 'corpus', **SMALL)
  marker = json.loads((root / build.MARKER).read_text())
  del marker['language']
  (root / build.MARKER).write_text(json.dumps(marker))
  with pytest.raises(errors.SourceError, match=r'another version of this program\. Remove the'):
    prepare(root, **SMALL)


@pytest.mark.parametrize(
  ('settings', 'difference'),
  [
    ({'language': 'de'}, "language='en' and not 'de'"),
    ({'unknown_words': 'cat'}, "unknown_words='bed' and not 'cat'"),
    ({'noise_snr_db': '10'}, r'noise_snr_db=None and not \[10\.0, 10\.0\]'),
    ({'seed': 3}, 'seed=0 and not 3'),
  ],
)
def test_every_setting_that_changes_the_corpus_is_noticed(tmp_path, settings, difference):
  root = prepare(tmp_path / 'corpus', **SMALL)
  prepare(root, **SMALL, silence=0.5)  # This changes what is listed alone.
  with pytest.raises(errors.SourceError, match=f'made with other settings: .*{difference}'):
    prepare(root, **{**SMALL, **settings})


@pytest.mark.parametrize('marker', [None, 'no json', '[]'])
def test_a_folder_that_holds_something_else_is_not_touched(tmp_path, marker):
  trees.make(tmp_path, 'mine.wav')
  if marker is not None:
    (tmp_path / build.MARKER).write_text(marker)
  before = content(tmp_path)
  with pytest.raises(errors.SourceError, match=r'is no synthetic corpus .*--input=FOLDER'):
    prepare(tmp_path, **SMALL)
  assert content(tmp_path) == before


def test_a_file_in_its_place_or_in_its_path_is_an_error(tmp_path):
  (tmp_path / 'file').touch()
  with pytest.raises(errors.SourceError, match='is there, but is no synthetic corpus'):
    prepare(tmp_path / 'file', **SMALL)
  with pytest.raises(errors.SourceError, match='Could not write the synthetic corpus .*--input'):
    prepare(tmp_path / 'file' / 'corpus', **SMALL)


def test_a_bucket_is_refused():
  with pytest.raises(errors.SourceError, match='local disk, not in gs://bucket/demo'):
    sources.SOURCES['synthetic'].prepare('gs://bucket/demo', synthetic.Synthetic())


def test_two_voices_have_no_lists(tmp_path):
  settings = {**SMALL, 'voices': 2}
  root = prepare(tmp_path / 'corpus', **settings)
  good, _ = trees.listed('synthetic', corpus_lib.Corpus(str(root)), **settings)
  assert {clip.split for clip in good.values()} == {''}


def test_the_one_that_comes_second_takes_what_the_first_has_made(tmp_path, monkeypatch):
  root = tmp_path / 'corpus'
  speak = build._speak

  def speak_while_another_is_faster(*args, **kwargs):
    monkeypatch.setattr(build, '_speak', speak)
    prepare(root, **SMALL)
    speak(*args, **kwargs)

  monkeypatch.setattr(build, '_speak', speak_while_another_is_faster)
  prepare(root, **SMALL)
  assert os.listdir(tmp_path) == ['corpus']
  assert len(list(root.rglob('*_nohash_*.wav'))) == 15


def test_without_the_synthesizer_the_extra_is_named(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, 'espeakng_loader', None)
  with pytest.raises(errors.SourceError, match=r"espeakng-loader.*pip install 'voxshard\[demo\]'"):
    prepare(tmp_path / 'corpus', **SMALL)
  assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
  ('function', 'sentence'),
  [
    ('get_library_path', 'failed: eSpeak could not load the library: .*nowhere.*Reinstall'),
    ('get_data_path', 'failed: eSpeak found no voice data in .*nowhere. Reinstall'),
  ],
)
def test_a_damaged_installation_is_one_sentence(tmp_path, monkeypatch, function, sentence):
  monkeypatch.setattr(espeakng_loader, function, lambda: str(tmp_path / 'nowhere'))
  with pytest.raises(errors.SourceError, match=sentence):
    prepare(tmp_path / 'corpus', **SMALL)
  assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
  ('program', 'sentence'),
  [
    ('import os; os.abort()', 'it was ended by the signal SIGABRT'),
    ('raise SystemExit(3)', 'it ended with the code 3'),
    ("print('half'); raise OSError('No space left on device')", 'No space left on device'),
  ],
)
def test_a_crash_of_the_synthesizer_is_one_sentence(tmp_path, monkeypatch, program, sentence):
  (tmp_path / 'lib').mkdir()
  (tmp_path / 'lib' / 'crashing_synthesizer.py').write_text(program)
  monkeypatch.syspath_prepend(str(tmp_path / 'lib'))
  monkeypatch.setattr(build, '_SPEAKER', 'crashing_synthesizer')
  with pytest.raises(errors.SourceError, match=f'speech synthesizer failed: .*{sentence}'):
    prepare(tmp_path / 'corpus', **SMALL)
  assert os.listdir(tmp_path) == ['lib']


def test_an_installation_at_the_end_of_a_long_path_speaks_too(tmp_path, monkeypatch):
  # eSpeak keeps 160 bytes for it and says nothing of what does not fit.
  long = tmp_path / ('d' * 100) / ('e' * 100)
  long.mkdir(parents=True)
  (long / 'espeak-ng-data').symlink_to(espeakng_loader.get_data_path())
  short = prepare(tmp_path / 'short', **SMALL)
  monkeypatch.setattr(espeakng_loader, 'get_data_path', lambda: str(long / 'espeak-ng-data'))
  assert content(prepare(tmp_path / 'long', **SMALL)) == content(short)


def test_takes_differ_in_speed_pitch_and_loudness():
  clips = script.CorpusPlan(words=('yes',), speakers=voices.VOICES[:1], takes=10).clips()
  speeds = [clip.words_per_minute for clip in clips]
  assert speeds == sorted(set(speeds))
  assert speeds[0] < 125
  assert speeds[-1] > 175
  assert len({clip.pitch for clip in clips}) >= 5
  assert len({clip.peak_db for clip in clips}) >= 5


def test_every_voice_is_a_speaker_of_its_own():
  assert len({voice.speaker_id for voice in voices.VOICES}) == len(voices.VOICES) == 24
  assert len({voice.variant for voice in voices.VOICES}) == 24


@pytest.mark.parametrize(
  ('settings', 'sentence'),
  [
    ({'words': 'yes'}, "at least two different words .* got 'yes'"),
    ({'words': 'yes+yes'}, 'at least two different words'),
    ({'words': 'yes+'}, 'at least two different words'),
    ({'words': 'yes+../../etc'}, 'at least two different words'),
    ({'words': 'yes,no'}, r'joined by \+ as in yes\+no\+stop'),
    ({'words': 'Yes+no'}, 'of small letters'),
    ({'words': 'yes+no', 'unknown_words': 'bed+no'}, 'none of them among words'),
    ({'unknown_words': 'b3d'}, "unknown_words must be .* got 'b3d'"),
    ({'language': 'English'}, 'language must be a name of eSpeak such as cmn, de, en'),
    ({'language': 'tr'}, 'For language=tr there are no words yet. Give them with words='),
    ({'unknown': -1}, 'unknown must be a share below 1 .* got -1'),
    ({'silence': 2.5}, r'silence must be a share .* whole number of clips, got 2\.5'),
    ({'noise_snr_db': 'loud'}, "noise_snr_db must be 'off', a number .* got 'loud'"),
    ({'noise_snr_db': '20..5'}, 'a range that runs upwards'),
    ({'noise_snr_db': 'nan'}, 'noise_snr_db must be'),
    ({'voices': 25}, r'voices must be in \[1, 24\], got 25'),
    ({'voices': 0}, r'voices must be in \[1, 24\], got 0'),
    ({'takes': 0}, r'takes must be in \[1, 1000\], got 0'),
  ],
)
def test_bad_settings_are_refused_at_birth(settings, sentence):
  with pytest.raises(errors.ConfigError, match=sentence):
    synthetic.Synthetic(**settings)


def test_the_marker_tells_what_the_corpus_was_made_of(tmp_path):
  root = prepare(tmp_path / 'corpus', **SMALL)
  marker = json.loads(pathlib.Path(root, build.MARKER).read_text())
  assert (marker['words'], marker['voices'], marker['takes'], marker['seed']) == ('yes+no', 3, 2, 0)
  assert (marker['language'], marker['unknown_words']) == ('en', 'bed')
  assert marker['noise_snr_db'] is None
  assert marker['made_by'].startswith('espeakng-loader')
