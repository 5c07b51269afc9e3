"""What is found, against answers that are known."""

import io
import itertools
import os
import pathlib

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from beam_jobs.exploration import census, duplicates, fingerprint, sampling, skew
from beam_jobs.exploration import sound as sound_lib
from schemas import utterance
from schemas.rejects import ClipError
from tests.helpers import exploring

counts = st.lists(st.integers(1, 1000), min_size=1, max_size=30)


def sound_of(samples, rate_hz=8_000):
  return sound_lib.of_samples(np.asarray(samples, np.float32), rate_hz, coding='made')


def encoded(samples, rate_hz=8_000, **options):
  stream = io.BytesIO()
  soundfile.write(stream, samples, rate_hz, **options)
  stream.seek(0)
  return stream


# How unevenly clips are spread.


@given(counts)
def test_gini_is_half_the_relative_mean_difference(values):
  pairs = itertools.product(values, repeat=2)
  difference = sum(abs(a - b) for a, b in pairs) / len(values) ** 2
  assert skew.gini(values) == pytest.approx(difference / (2 * np.mean(values)), abs=1e-9)


def test_gini_of_known_spreads():
  assert skew.gini([5, 5, 5]) == pytest.approx(0)
  assert skew.gini([0] * 99 + [1]) == pytest.approx(0.99)


@pytest.mark.parametrize(
  ('values', 'words'),
  [
    ([7], 'one speaker'),
    ([9, 1, 1], 'One speaker has half'),
    ([50] * 5 + [1] * 50, 'A few speakers have most'),
    ([30, 20, 10, 5], 'as is usual'),
    ([10, 10, 11], 'every voice counts alike'),
  ],
)
def test_what_the_spread_means(values, words):
  assert words in skew.meaning(values)


def test_a_census_counts_by_label_split_and_speaker():
  found = census.Census()
  for label, split, speaker in ('ata', 'ata', 'atb', 'bvb', 'btb'):
    found.add(label=label, split={'t': 'train', 'v': 'validation'}[split], speaker=speaker)
  assert found.by_label() == {'a': 3, 'b': 2}
  assert found.by_speaker() == {'b': 3, 'a': 2}
  assert found.by_split() == {'train': 4, 'validation': 1}
  assert found.splits_by_label()['b'] == {'train': 1, 'validation': 1}
  assert found.speakers_by_label() == {'a': 2, 'b': 1}
  assert found.shared_speakers() == ['b']
  found.discard(label='b', split='validation', speaker='b')
  assert found.by_split() == {'train': 4}
  assert found.splits_by_label()['b'] == {'train': 1}
  assert found.num_clips == 4


# Which clips are opened.


@given(st.lists(st.text(), unique=True, max_size=60), st.integers(0, 10), st.randoms())
def test_the_same_clips_are_picked_in_any_order(names, limit, random):
  def picked(order):
    kept = sampling.Lowest(limit)
    for name in order:
      kept.offer(name, name)
    return kept.items()

  shuffled = random.sample(names, len(names))
  assert picked(shuffled) == picked(names)
  assert len(picked(names)) == min(limit, len(names))
  more = sampling.Lowest(limit + 5)
  for name in names:
    more.offer(name, name)
  assert more.items()[:limit] == picked(names)  # A larger limit adds clips.


# What is measured.


def test_levels_of_a_sine():
  time_s = np.arange(8_000) / 8_000
  found = sound_lib.measure(sound_of(0.5 * np.sin(2 * np.pi * 440 * time_s)))
  assert found.rms_dbfs == pytest.approx(-6.02 - 3.01, abs=0.01)
  assert found.peak_dbfs == pytest.approx(-6.02, abs=0.02)
  assert found.clipped_share == 0
  assert found.seconds == 1


def test_silence_and_one_sample_have_levels():
  assert sound_lib.measure(sound_of(np.zeros(100))).rms_dbfs == sound_lib.FLOOR_DBFS
  assert sound_lib.measure(sound_of([0.5])).peak_dbfs == pytest.approx(-6.02, abs=0.01)


@pytest.mark.parametrize(
  ('options', 'clipped'),
  [
    ({'format': 'WAV', 'subtype': 'PCM_16'}, True),
    ({'format': 'WAV', 'subtype': 'PCM_U8'}, True),
    ({'format': 'WAV', 'subtype': 'ULAW'}, True),
    ({'format': 'WAV', 'subtype': 'FLOAT'}, True),
    ({'format': 'FLAC', 'subtype': 'PCM_24'}, True),
  ],
)
def test_tops_cut_off_are_found_in_every_coding(options, clipped):
  time_s = np.arange(8_000) / 8_000
  sine = np.sin(2 * np.pi * 100 * time_s)
  cut = sound_lib.measure(sound_lib.decode(encoded(np.clip(2 * sine, -1, 1), **options)))
  assert cut.clipped_share == pytest.approx(2 / 3, abs=0.06)
  whole = sound_lib.measure(sound_lib.decode(encoded(0.9 * sine, **options)))
  assert whole.clipped_share == 0


def test_an_excerpt_is_read_and_made_louder():
  samples = np.arange(800) / 1600
  part = utterance.Excerpt(start_s=0.025, duration_s=0.05, gain_db=-6.0206)
  found = sound_lib.decode(encoded(samples, format='WAV', subtype='FLOAT'), part)
  np.testing.assert_allclose(found.mono, samples[200:600] / 2, atol=1e-6)
  assert found.seconds == 0.05


def test_an_excerpt_behind_the_end_is_no_clip():
  with pytest.raises(ClipError, match='Wanted a part of 0.100 s'):
    sound_lib.decode(
      encoded(np.zeros(800), format='WAV'), utterance.Excerpt(start_s=3, duration_s=1)
    )


def test_an_excerpt_that_is_hardly_there_is_no_clip_either():
  with pytest.raises(ClipError, match='Wanted 1 s from 0.08 s on, got 0.02 s'):
    sound_lib.decode(
      encoded(np.ones(800) / 2, format='WAV'), utterance.Excerpt(start_s=0.08, duration_s=1)
    )


def test_of_a_long_recording_the_beginning_is_measured():
  found = sound_lib.decode(encoded(np.zeros(1_000 * 90), 1_000, format='WAV'))
  assert found.seconds == 90
  assert len(found.frames) == 1_000 * sound_lib.MAX_MEASURED_S


def test_a_wav_file_from_a_pipe_is_whole():
  stream = encoded(exploring.voice(1), format='WAV', subtype='PCM_16')
  data = bytearray(stream.getvalue())
  data[4:8] = data[40:44] = b'\xff\xff\xff\xff'
  assert sound_lib.decode(io.BytesIO(bytes(data))).seconds == 0.5


@pytest.mark.parametrize('data', [b'', b'RIFF', b'no audio at all'])
def test_what_is_no_audio_is_a_clip_error(data):
  with pytest.raises(ClipError):
    sound_lib.decode(io.BytesIO(data))


# Which recordings are the same.


def fingerprint_of(samples, rate_hz=8_000):
  return fingerprint.of(sound_of(samples, rate_hz))


def links_of(*all_samples, rate_hz=8_000):
  clips = [
    (
      duplicates.Clip(clip_id=str(i), label='x', speaker='x', split=''),
      fingerprint_of(samples, rate_hz),
    )
    for i, samples in enumerate(all_samples)
  ]
  return {
    (link.first.clip_id, link.second.clip_id): link.similarity for link in duplicates.alike(clips)
  }


@settings(max_examples=10)
@given(
  st.integers(0, 1000),
  st.floats(0.05, 1.5),
  st.integers(0, 400),
  st.sampled_from([8_000, 16_000]),
)
def test_gain_and_offset_do_not_hide_a_recording(seed, gain, shift, rate_hz):
  samples = exploring.voice(seed, rate_hz=rate_hz)
  changed = np.concatenate([np.zeros(shift * rate_hz // 8_000), gain * samples])
  assert list(links_of(samples, changed, rate_hz=rate_hz)) == [('0', '1')]


@pytest.mark.parametrize(
  'options',
  [
    {'format': 'MP3', 'compression_level': 0.7},
    {'format': 'OGG', 'subtype': 'VORBIS'},
    {'format': 'OGG', 'subtype': 'OPUS'},
    {'format': 'WAV', 'subtype': 'ULAW'},
    {'format': 'WAV', 'subtype': 'PCM_U8'},
  ],
)
def test_codecs_do_not_hide_a_recording(options):
  samples = [exploring.voice(seed) for seed in range(4)]
  coded = [exploring.re_encoded(values, 8_000, **options)[0] for values in samples]
  expected = {(str(i), str(i + 4)) for i in range(4)}
  assert set(links_of(*samples, *coded)) == expected


def test_another_sampling_rate_does_not_hide_a_recording():
  samples = exploring.voice(3, rate_hz=16_000)
  slower = signal.resample_poly(samples, 1, 2)
  first, second = fingerprint_of(samples, 16_000), fingerprint_of(slower, 8_000)
  assert fingerprint.correlation(first, second) > 0.99


def test_different_recordings_are_different():
  assert not links_of(*(exploring.voice(seed) for seed in range(40)))


def test_noise_of_the_same_loudness_is_different():
  rng = np.random.default_rng(0)
  assert not links_of(*(0.1 * rng.standard_normal(4_000) for _ in range(20)))


def test_a_beginning_in_common_does_not_make_two_recordings_one():
  jingle = exploring.voice(5, seconds=3.2)
  assert not links_of(jingle, np.concatenate([jingle, exploring.voice(6, seconds=3)]))


def test_equal_samples_have_equal_digests_in_every_lossless_format():
  samples = np.round(exploring.voice(1) * 32767).astype(np.int16)
  floats = samples.astype(np.float32) / 32768
  digests = {
    fingerprint.of(sound_lib.decode(encoded(values, format=container, subtype=subtype))).digest
    for values, container, subtype in (
      (samples, 'WAV', 'PCM_16'),
      (samples, 'FLAC', 'PCM_16'),
      (samples, 'AIFF', 'PCM_24'),
      (floats, 'WAV', 'FLOAT'),
      (np.stack([floats, floats], axis=1), 'WAV', 'FLOAT'),
    )
  }
  assert len(digests) == 1
  assert fingerprint_of(samples[1:] / 32768).digest not in digests


def test_many_copies_make_one_group():
  samples = exploring.voice(1)
  links = links_of(*(samples * gain for gain in np.linspace(0.2, 1, 12)), exploring.voice(2))
  clip = {
    str(i): duplicates.Clip(clip_id=str(i), label='x', speaker='x', split='') for i in range(12)
  }
  found = duplicates.groups(
    duplicates.Link(first=clip[a], second=clip[b], similarity=value)
    for (a, b), value in links.items()
  )
  assert [len(group.clips) for group in found] == [12]


def test_leaks_come_first():
  def clip(name, split, label='x'):
    return duplicates.Clip(clip_id=name, label=label, speaker='ann', split=split)

  found = duplicates.groups(
    [
      duplicates.Link(first=clip('a', 'train'), second=clip('b', 'train')),
      duplicates.Link(first=clip('c', 'train', 'y'), second=clip('d', 'train')),
      duplicates.Link(first=clip('e', 'train'), second=clip('f', 'test'), similarity=0.97),
    ]
  )
  assert [group.clips[0].clip_id for group in found] == ['e', 'c', 'a']


@pytest.mark.fsdd
@pytest.mark.skipif('VOXSHARD_FSDD' not in os.environ, reason='VOXSHARD_FSDD names no folder')
@pytest.mark.parametrize(
  'options',
  [{'format': 'FLAC'}, {'format': 'MP3'}, {'format': 'OGG', 'subtype': 'VORBIS'},
   {'format': 'OGG', 'subtype': 'OPUS'}],
)  # fmt: skip
def test_digits_are_found_again_after_a_codec(options):
  paths = sorted(pathlib.Path(os.environ['VOXSHARD_FSDD']).glob('*.wav'))[::20]
  samples = [soundfile.read(path)[0] for path in paths]
  coded = [exploring.re_encoded(values, 8_000, **options)[0] for values in samples]
  found = set(links_of(*samples, *coded))
  expected = {(str(i), str(i + len(paths))) for i in range(len(paths))}
  assert not found - expected
  assert len(found) >= 0.9 * len(expected)
