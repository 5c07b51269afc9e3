"""Which channel is heard, and what is said of how loud samples are."""

import io

import numpy as np
import pytest

from beam_jobs.exploration import sound as sound_lib
from features.decoding import clips, levels
from schemas import audio, errors, utterance
from tests.helpers import wav_files

RATE_HZ = 16_000
TIME_S = np.arange(RATE_HZ) / RATE_HZ
LEFT = (0.3 * np.sin(2 * np.pi * 440 * TIME_S)).astype(np.float32)
RIGHT = (0.6 * np.sin(2 * np.pi * 880 * TIME_S)).astype(np.float32)
STEREO = np.stack([LEFT, RIGHT], axis=1)
# A fast path of our own, libsndfile, and a codec whose decoder has a state.
FORMATS = [('WAV', 'PCM_16'), ('WAV', 'FLOAT'), ('FLAC', 'PCM_24')]


def encoded(samples, format='WAV', subtype='FLOAT'):
  return wav_files.encoded(samples, format=format, subtype=subtype, sample_rate_hz=RATE_HZ)


def decoded(data, **settings):
  return clips.decode(data, audio.AudioSpec(sample_rate_hz=RATE_HZ, **settings))


def rejected(data, **settings):
  with pytest.raises(clips.ClipError) as error:
    decoded(data, **settings)
  return error.value.reason, error.value.detail


@pytest.mark.parametrize(('format', 'subtype'), FORMATS)
@pytest.mark.parametrize(
  ('channel', 'wanted'),
  [
    ('mix', (LEFT + RIGHT) / 2),
    ('left', LEFT),
    ('right', RIGHT),
    ('1', LEFT),
    ('2', RIGHT),
    ('loudest', RIGHT),
  ],
)
def test_the_channel_that_is_asked_for_is_heard(format, subtype, channel, wanted):
  clip = decoded(encoded(STEREO, format, subtype), channel=channel)
  np.testing.assert_allclose(clip.samples, wanted, atol=1e-4)
  assert clip.noted == ()


def test_the_loudest_is_that_of_the_clip_and_not_of_the_recording():
  # The left is the louder one in the second half, the right in the first.
  frames = np.concatenate([STEREO, STEREO[:, ::-1], STEREO[:, ::-1]])
  data = encoded(frames, 'OGG', 'VORBIS')
  for position, hz in (('start', 880), ('end', 880)):
    clip = decoded(data, channel='loudest', position=position)
    assert np.argmax(np.abs(np.fft.rfft(clip.samples))) == hz
  part = utterance.Excerpt(start_s=1.0, duration_s=1.0)
  clip = clips.decode(data, audio.AudioSpec(channel='loudest'), part)
  wanted = clips.decode(data, audio.AudioSpec(channel='left'), part)
  np.testing.assert_array_equal(clip.samples, wanted.samples)


def test_of_channels_that_are_as_loud_the_first_is_heard():
  frames = np.stack([LEFT, LEFT[::-1] * np.float32(1 + 1e-6)], axis=1)
  np.testing.assert_allclose(decoded(encoded(frames), channel='loudest').samples, LEFT, atol=1e-6)


def test_in_blocks_as_in_one_piece():
  frames = np.tile(0.1 * STEREO, (2, 300))  # 600 channels: more than one block.
  frames[:, 411] = 0.9
  for channel in ('mix', 'loudest'):
    spec = {'channel': channel, 'clip_s': 2.0}
    whole = decoded(encoded(frames, subtype='PCM_16'), **spec).samples
    assert len(whole) == 2 * RATE_HZ
    wanted = frames.mean(axis=1) if channel == 'mix' else frames[:, 411]
    np.testing.assert_allclose(whole, wanted, atol=1e-4)


@pytest.mark.parametrize('channel', ['mix', 'loudest', 'left', 'right', '1'])
def test_the_one_channel_of_a_mono_file_is_all_of_them(channel):
  np.testing.assert_allclose(decoded(encoded(LEFT), channel=channel).samples, LEFT, atol=1e-6)


def test_a_channel_that_a_file_does_not_have_is_a_reject():
  assert rejected(encoded(LEFT), channel='2') == (
    'no_channel', 'Wanted channel 2, got a file with 1.',
  )  # fmt: skip
  assert rejected(encoded(STEREO, subtype='PCM_16'), channel='3')[0] == 'no_channel'


@pytest.mark.parametrize('channel', ['', '0', '-1', '01', 'centre', '1025', '1.0', '²'])
def test_no_such_channel(channel):
  with pytest.raises(errors.SchemaError, match='channel must be mix, loudest, left, right, or a n'):
    audio.AudioSpec(channel=channel)


@pytest.mark.parametrize('share', [-1.0, -0.98])
def test_channels_that_cancel_are_noted_and_one_alone_is_not(share):
  data = encoded(np.stack([LEFT, share * LEFT], axis=1), subtype='PCM_16')
  assert decoded(data).noted == ('cancelled',)
  for channel in ('left', 'right', 'loudest'):
    assert decoded(data, channel=channel).noted == ()


def test_channels_that_do_not_cancel_are_not_noted():
  nothing = np.zeros_like(LEFT)
  for other in (LEFT, -0.5 * LEFT, nothing, RIGHT):
    assert decoded(encoded(np.stack([LEFT, other], axis=1))).noted == ()
  assert decoded(encoded(np.stack([nothing, nothing], axis=1))).noted == ('silent',)


def test_one_sample_is_a_sound():
  samples = np.zeros(RATE_HZ)
  samples[7_777] = 0.5
  assert decoded(encoded(samples)).noted == ()


def test_a_constant_is_silence():
  assert decoded(encoded(np.full(RATE_HZ, 0.2))).noted == ('silent',)


def test_floats_beyond_one_are_loud_and_not_cut_off():
  assert decoded(encoded(4 * LEFT)).noted == ('beyond_one',)
  assert decoded(encoded(np.clip(8 * LEFT, -1, 1))).noted == ('clipped',)


def test_samples_a_little_beyond_one_are_noted_and_kept():
  clip = decoded(encoded(4 * LEFT))
  assert 'beyond_one' in clip.noted
  assert clip.samples.max() == pytest.approx(1.2, abs=1e-3)
  assert decoded(encoded(LEFT / 0.3)).noted == ()


@pytest.mark.parametrize('scale', [32_768, 2.0**31, 1e8, 1e30])
def test_samples_far_beyond_one_are_a_reject_or_scaled(scale):
  data = encoded(LEFT.astype(np.float64) * scale, subtype='DOUBLE')
  reason, detail = rejected(data)
  assert reason == 'not_in_one' and detail.startswith('Wanted samples in [-1, 1], got ')
  clip = decoded(data, full_scale=scale)
  np.testing.assert_allclose(clip.samples, LEFT, rtol=1e-5, atol=1e-6)
  assert clip.noted == ()


def test_what_has_a_full_scale_of_its_own_is_not_scaled():
  for format, subtype in (('WAV', 'PCM_16'), ('FLAC', 'PCM_24'), ('OGG', 'VORBIS')):
    clip = decoded(encoded(LEFT, format, subtype), full_scale=32_768.0)
    assert clip.samples.max() == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize('subtype', ['PCM_U8', 'PCM_16', 'PCM_24', 'FLOAT', 'ULAW'])
def test_clipping_is_noted_as_the_page_counts_it(subtype):
  for gain, is_clipped in ((8, True), (3, False)):
    data = encoded(np.clip(gain * LEFT, -1, 1), subtype=subtype)
    assert ('clipped' in decoded(data).noted) == is_clipped
    measures = sound_lib.measure(sound_lib.decode(io.BytesIO(data)))
    assert (measures.clipped_share > levels.AUDIBLE_CLIPPING) == is_clipped


def test_the_page_hears_and_refuses_what_the_job_does():
  spec = audio.AudioSpec(channel='right', full_scale=2.0)
  found = sound_lib.decode(io.BytesIO(encoded(2 * STEREO)), None, spec)
  np.testing.assert_allclose(found.mono, RIGHT, atol=1e-6)
  for samples in (100 * LEFT, np.full(100, np.nan, np.float32)):
    data = encoded(samples)
    with pytest.raises(clips.ClipError) as error:
      sound_lib.decode(io.BytesIO(data))
    assert (error.value.reason, error.value.detail) == rejected(data)


def test_of_three_at_full_scale_in_a_row_one_top_is_cut_off():
  frames = np.array([0, 1, 1, 0, 1, 1, 1, 0, -1, -1, -1, -1], np.float32)[:, np.newaxis]
  assert levels.num_clipped(frames, levels.Coding()) == 1 + 2
  assert levels.num_clipped(frames[:2], levels.Coding()) == 0
