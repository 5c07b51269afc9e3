import json
import os
import pathlib
import sys
import time
import wave

import numpy as np
import pytest

from beam_jobs import corpus as corpus_lib
from beam_jobs import sources
from beam_jobs.sources import synthetic
from beam_jobs.synthesis import build, plan, voices
from schemas import errors
from tests.beam_jobs.sources import trees

espeakng_loader = pytest.importorskip('espeakng_loader')

WORDS = 'yes+no+up+down+left+right+on+off+stop+go'
SMALL = {'words': 'yes+no', 'voices': 3, 'takes': 2}


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
  """All words by all voices, twice each."""
  return prepare(tmp_path_factory.mktemp('synthetic') / 'corpus', takes=2)


def test_every_word_by_every_voice_in_the_layout_of_speech_commands(made):
  good, bad = trees.listed('synthetic', corpus_lib.Corpus(str(made)), takes=2)
  assert not bad
  assert len(good) == 10 * 24 * 2
  assert {clip.label for clip in good.values()} == set(WORDS.split('+'))
  assert len({clip.speaker_id for clip in good.values()}) == 24
  assert 'stop/en-us-f2_nohash_1.wav' in good
  assert good == trees.listed('speech_commands', corpus_lib.Corpus(str(made)))[0]


def test_four_voices_each_are_held_out_for_validation_and_test(made):
  good, _ = trees.listed('synthetic', corpus_lib.Corpus(str(made)), takes=2)
  speakers = {split: set() for split in ('train', 'validation', 'test')}
  for clip in good.values():
    speakers[clip.split].add(clip.speaker_id)
  assert [len(names) for names in speakers.values()] == [16, 4, 4]
  assert len(set.union(*speakers.values())) == 24


def test_clips_are_words_of_less_than_a_second(made):
  for path in made.rglob('*.wav'):
    samples = samples_of(path)
    assert 0.15 < len(samples) / 16_000 < 1.0, path
    assert np.sqrt(np.mean(samples**2)) > 0.01, path


def test_silence_is_trimmed_and_the_peak_is_as_planned(made):
  clips = plan.clips(WORDS.split('+'), voices.VOICES, takes=2, seed=0)
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

  good, _ = trees.listed('synthetic', corpus_lib.Corpus(str(made)), takes=2)
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
  assert len(list(root.rglob('*.wav'))) == 2 * 3 * 2
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
  good, _ = trees.listed(
    'synthetic', corpus_lib.Corpus(str(prepare(tmp_path / 'corpus', **{**SMALL, 'voices': 2})))
  )
  assert {clip.split for clip in good.values()} == {''}


def test_the_one_that_comes_second_takes_what_the_first_has_made(tmp_path, monkeypatch):
  root = tmp_path / 'corpus'
  speak = build._speak

  def speak_while_another_is_faster(clips, folder):
    monkeypatch.setattr(build, '_speak', speak)
    prepare(root, **SMALL)
    speak(clips, folder)

  monkeypatch.setattr(build, '_speak', speak_while_another_is_faster)
  prepare(root, **SMALL)
  assert os.listdir(tmp_path) == ['corpus']
  assert len(list(root.rglob('*.wav'))) == 12


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
  clips = plan.clips(['yes'], voices.VOICES[:1], takes=10, seed=0)
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
  assert marker['made_by'].startswith('espeakng-loader')
