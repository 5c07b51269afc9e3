"""Pictures of sound and players, against answers that are known."""

import base64
import io
import wave

import numpy as np
import PIL.Image
import pytest

from pages import analysis, embedded, panels
from tests.helpers import exploring


def bytes_of(address, mime):
  assert address.startswith(f'data:{mime};base64,')
  return io.BytesIO(base64.b64decode(address.partition(',')[2]))


def player(samples, rate_hz):
  return wave.open(bytes_of(embedded.audio(np.float32(samples), rate_hz), 'audio/wav'))


@pytest.mark.parametrize('rate_hz', [1_000, 8_000, 44_100])
def test_a_sine_is_bright_where_its_frequency_is(rate_hz):
  hz = rate_hz / 8
  time_s = np.arange(rate_hz) / rate_hz
  drawn = analysis.of(np.float32(0.5 * np.sin(2 * np.pi * hz * time_s)), rate_hz)
  row = int(drawn.spectrogram[:, 100].argmax())
  assert (row + 0.5) / len(drawn.spectrogram) == pytest.approx(0.25, abs=0.02)
  assert drawn.seconds == 1


def test_the_chromagram_names_the_note():
  time_s = np.arange(16_000) / 16_000
  for note, hz in enumerate((523.25, 587.33, 659.26)):
    drawn = analysis.of(np.float32(np.sin(2 * np.pi * hz * time_s)), 16_000)
    assert drawn.chroma[:, 128].argmax() == 2 * note


@pytest.mark.parametrize('length', [1, 2, 7, 100, 8_000])
def test_silence_and_the_shortest_clips_can_be_drawn(length):
  for samples in (np.zeros(length), np.ones(length), -0.5 * np.ones(length)):
    drawn = panels.of(np.float32(samples), 8_000)
    assert len(drawn) == 4
    assert np.isfinite(drawn[0].outline).all()
    for panel in drawn:
      assert all(0 <= tick.place <= 1 for tick in (*panel.x_ticks, *panel.y_ticks))
    for panel in drawn[1:]:
      bytes_of(panel.image, 'image/png')


def test_only_the_beginning_of_a_long_clip_is_drawn():
  assert analysis.of(np.zeros(8_000 * 10, np.float32), 8_000).seconds == analysis.MAX_SECONDS


def test_the_player_plays_what_was_recorded():
  samples = np.round(exploring.voice(1) * 32767) / 32768
  with player(samples, 8_000) as file:
    assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8_000)
    played = np.frombuffer(file.readframes(10_000), '<i2')
  np.testing.assert_array_equal(played, samples * 32768)


def test_the_player_gets_no_more_than_it_needs():
  with player(np.zeros(96_000), 96_000) as file:
    assert file.getframerate() == file.getnframes() == embedded.MAX_PLAYER_RATE_HZ


@pytest.mark.parametrize('channels', [1, 3])
def test_a_picture_is_shown_as_it_is(channels):
  pixels = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
  with PIL.Image.open(bytes_of(embedded.picture(pixels), 'image/png')) as image:
    np.testing.assert_array_equal(np.asarray(image), np.broadcast_to(pixels, (5, 7, 3)))


def test_a_feature_lies_with_time_to_the_right_and_the_first_bin_below():
  feature = np.zeros((4, 3), np.float32)
  feature[3, 0] = 1.0
  with PIL.Image.open(bytes_of(embedded.picture(feature), 'image/png')) as image:
    levels = np.asarray(image.convert('RGB')).sum(axis=2)
  assert levels.shape == (3, 4)
  assert np.unravel_index(levels.argmax(), levels.shape) == (2, 3)
