"""Real files made by Pillow, against pixels that are known, tf.image and NumPy."""

import io
import struct
import subprocess
import sys
import warnings
import zlib

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import image
from features.decoding import clips, pictures
from schemas import rejects

LOSSLESS = ('PNG', 'BMP', 'GIF')
WHITE, BLACK, RED = (255, 255, 255), (0, 0, 0), (255, 0, 0)


def encoded(picture, kind='PNG', **options):
  stream = io.BytesIO()
  picture.save(stream, kind, **options)
  return stream.getvalue()


def decoded(data, **values):
  return pictures.decode(data, image.Image(**values)).samples


def smooth(height, width, seed=0):
  """A picture without fine detail, uint8 [height, width, 3]."""
  small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3)).astype(np.uint8)
  return PIL.Image.fromarray(small).resize((width, height), PIL.Image.Resampling.BICUBIC)


def quarters(width=8, height=8):
  """Red, white, black, grey, clockwise from the top left."""
  pixels = np.zeros((height, width, 3), np.uint8)
  pixels[: height // 2, : width // 2] = RED
  pixels[: height // 2, width // 2 :] = WHITE
  pixels[height // 2 :, : width // 2] = 128
  return PIL.Image.fromarray(pixels)


@pytest.mark.parametrize('kind', LOSSLESS)
def test_pixels_of_lossless_files_are_those_that_went_in(kind):
  clip = pictures.decode(encoded(quarters(), kind), image.Image(height=8, width=8))
  assert isinstance(clip, clips.Clip)
  assert (clip.num_samples, clip.source_s) == (0, 0.0)
  assert (clip.samples.dtype, clip.samples.shape) == (np.float32, (8, 8, 3))
  assert clip.samples.flags.c_contiguous
  np.testing.assert_array_equal(clip.samples, np.asarray(quarters()))


@pytest.mark.parametrize(('kind', 'options'), [('JPEG', {'quality': 95}), ('WEBP', {})])
def test_pixels_of_lossy_files_are_near(kind, options):
  picture = smooth(64, 48)
  ours = decoded(encoded(picture, kind, **options), height=64, width=48)
  assert np.abs(ours - np.asarray(picture)).mean() < 3


@pytest.mark.parametrize(('height', 'width'), [(32, 32), (20, 50), (128, 128), (1, 1), (200, 3)])
@pytest.mark.parametrize('source', [(64, 48), (97, 31), (500, 700)])
def test_resampling_agrees_with_tensorflow(height, width, source):
  tf = pytest.importorskip('tensorflow')
  pixels = np.random.default_rng(1).integers(0, 256, (*source, 3)).astype(np.uint8)
  theirs = tf.image.resize(pixels, (height, width), antialias=True).numpy()
  ours = decoded(encoded(PIL.Image.fromarray(pixels)), height=height, width=width)
  # Pillow rounds twice to 8 bits, once per axis. Measured: up to 1.0.
  np.testing.assert_allclose(ours, theirs, atol=1.1)


def test_a_fine_pattern_becomes_its_mean_and_does_not_flicker():
  stripes = np.zeros((512, 512, 3), np.uint8)
  stripes[:, ::2] = 255
  ours = decoded(encoded(PIL.Image.fromarray(stripes)), height=32, width=32)
  np.testing.assert_allclose(ours[:, 1:-1], 127.5, atol=1)  # At the edges half a stripe is missing.


@pytest.mark.parametrize('shape', [(900, 1200), (1600, 700), (128, 4000)])
def test_a_large_jpeg_is_the_same_as_unpacked_whole(shape, monkeypatch):
  data = encoded(smooth(*shape), 'JPEG', quality=95)
  ours = decoded(data)
  monkeypatch.setattr(pictures, 'JPEG_SIZE_RATIO', 10**6)
  np.testing.assert_allclose(ours, decoded(data), atol=3)


def test_stretch_fills_the_size():
  ours = decoded(encoded(quarters(16, 4)), height=8, width=8, fit='stretch')
  assert ours[0, 0].tolist() == list(RED)
  assert ours[0, -1].tolist() == list(WHITE)
  assert ours[-1, -1].tolist() == list(BLACK)


def test_pad_keeps_the_shape_between_black_bars():
  ours = decoded(encoded(PIL.Image.new('RGB', (16, 4), RED)), height=8, width=8, fit='pad')
  assert (ours[:3] == 0).all()
  assert (ours[3:5] == RED).all()
  assert (ours[5:] == 0).all()
  upright = decoded(encoded(PIL.Image.new('RGB', (4, 16), RED)), height=8, width=8, fit='pad')
  np.testing.assert_array_equal(upright, ours.transpose(1, 0, 2))


def test_crop_keeps_the_middle():
  pixels = np.zeros((4, 16, 3), np.uint8)
  pixels[:, 6:10] = RED
  ours = decoded(encoded(PIL.Image.fromarray(pixels)), height=4, width=4, fit='crop')
  np.testing.assert_array_equal(ours, np.broadcast_to(RED, (4, 4, 3)))
  turned = PIL.Image.fromarray(pixels.transpose(1, 0, 2))
  ours = decoded(encoded(turned), height=4, width=4, fit='crop')
  np.testing.assert_array_equal(ours, np.broadcast_to(RED, (4, 4, 3)))


@settings(max_examples=60)
@given(
  source=st.tuples(st.integers(1, 300), st.integers(1, 300)),
  height=st.integers(1, 40),
  width=st.integers(1, 40),
  fit=st.sampled_from(image.FITS),
  channels=st.sampled_from([1, 3]),
)
def test_every_size_gives_whole_numbers_of_the_shape(source, height, width, fit, channels):
  data = encoded(PIL.Image.new('RGB', source, (10, 200, 30)))
  options = {'height': height, 'width': width, 'fit': fit, 'channels': channels}
  ours = decoded(data, **options)
  assert ours.shape == image.shape(image.Image(**options), None) == (height, width, channels)
  np.testing.assert_array_equal(ours, ours.astype(np.uint8))
  middle = [10, 200, 30] if channels == 3 else [124]
  assert ours[(height - 1) // 2, (width - 1) // 2].tolist() == middle


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('kind', ['JPEG', 'PNG'])
def test_pictures_are_turned_as_the_camera_was_held(orientation, kind):
  transposes = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_90,  # Stored lying; to be turned clockwise to be seen.
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_270,
  }
  upright = quarters(32, 64)
  stored = upright.transpose(transposes[orientation]) if orientation > 1 else upright
  exif = PIL.Image.Exif()
  exif[0x0112] = orientation
  ours = decoded(encoded(stored, kind, exif=exif), height=64, width=32)
  np.testing.assert_allclose(ours[8::48, 8::16], np.asarray(upright)[8::48, 8::16], atol=8)


def test_damaged_exif_leaves_the_picture_as_it_is():
  data = encoded(quarters(32, 32), 'JPEG', exif=b'Exif\0\0MM\0*\0\0\0\x08\0\xff\x01\x12\0\x03')
  np.testing.assert_allclose(decoded(data, height=32, width=32)[4, 4], RED, atol=8)


@pytest.mark.parametrize('mode', ['RGBA', 'LA'])
def test_what_is_transparent_is_white(mode):
  picture = PIL.Image.new(mode, (4, 4), (0, 0, 0, 0) if mode == 'RGBA' else (0, 0))
  assert (decoded(encoded(picture)) == 255).all()
  picture.putalpha(51)  # A fifth of black over white.
  assert (decoded(encoded(picture), height=4, width=4) == 204).all()


@pytest.mark.parametrize('kind', ['PNG', 'GIF'])
def test_palettes_with_and_without_a_transparent_colour(kind):
  picture = quarters().convert('P', palette=PIL.Image.Palette.ADAPTIVE)
  np.testing.assert_array_equal(
    decoded(encoded(picture, kind), height=8, width=8), np.asarray(quarters())
  )
  transparent = picture.getpixel((7, 7))  # Black.
  ours = decoded(encoded(picture, kind, transparency=transparent), height=8, width=8)
  assert ours[0, 0].tolist() == list(RED)
  assert ours[-1, -1].tolist() == list(WHITE)


def test_a_palette_with_an_alpha_for_each_colour():
  picture = quarters().convert('P', palette=PIL.Image.Palette.ADAPTIVE)
  ours = decoded(encoded(picture, 'PNG', transparency=bytes(256)), height=8, width=8)
  assert (ours == 255).all()


def test_a_transparent_colour_of_a_png_without_palette_is_white():
  ours = decoded(encoded(quarters(), 'PNG', transparency=RED), height=8, width=8)
  assert ours[0, 0].tolist() == list(WHITE)


def test_sixteen_bits_become_eight():
  values = np.array([[0, 128, 129, 257, 32896, 65406, 65407, 65535]], np.uint16)
  data = encoded(PIL.Image.fromarray(values))
  ours = decoded(data, height=1, width=8, channels=1)
  assert ours[0, :, 0].tolist() == [0, 0, 1, 1, 128, 254, 255, 255]
  coloured = decoded(data, height=1, width=8)
  assert coloured[0, :, 1].tolist() == ours[0, :, 0].tolist()


def test_sixteen_bit_colour():
  # Pillow cannot write such a file: 1 x 1, 16 bits, red green blue.
  row = b'\0' + struct.pack('>3H', 65535, 0, 32896)
  header = struct.pack('>2I5B', 1, 1, 16, 2, 0, 0, 0)
  data = b'\x89PNG\r\n\x1a\n' + b''.join(
    struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))
    for kind, body in ((b'IHDR', header), (b'IDAT', zlib.compress(row)), (b'IEND', b''))
  )
  assert decoded(data, height=1, width=1).ravel().tolist() == [255, 0, 128]


@pytest.mark.parametrize('mode', ['1', 'L', 'CMYK', 'RGB'])
def test_every_mode_of_colour(mode):
  picture = PIL.Image.new('RGB', (32, 32), WHITE).convert(mode)
  kind = 'JPEG' if mode == 'CMYK' else 'PNG'
  for channels in (1, 3):
    np.testing.assert_allclose(decoded(encoded(picture, kind), channels=channels), 255, atol=1)


def test_a_cmyk_jpeg_has_its_colours_and_not_their_negatives():
  data = encoded(PIL.Image.new('RGB', (32, 32), RED).convert('CMYK'), 'JPEG')
  np.testing.assert_allclose(decoded(data)[0, 0], RED, atol=3)


def test_grey_weighs_the_colours():
  ours = decoded(encoded(PIL.Image.new('RGB', (4, 4), (10, 200, 30))), channels=1)
  assert (ours == np.rint(0.299 * 10 + 0.587 * 200 + 0.114 * 30)).all()


@pytest.mark.parametrize('kind', ['GIF', 'PNG', 'WEBP'])
def test_the_first_picture_of_an_animation(kind):
  first, second = (PIL.Image.new('RGB', (8, 8), colour) for colour in (RED, BLACK))
  options = {'lossless': True} if kind == 'WEBP' else {}
  data = encoded(first, kind, save_all=True, append_images=[second], duration=100, **options)
  assert (decoded(data) == RED).all()


def test_the_same_file_gives_the_same_bytes():
  data = encoded(smooth(300, 200), 'JPEG')
  assert decoded(data).tobytes() == decoded(data).tobytes()


def test_what_is_no_picture_is_refused_with_the_formats():
  for data in (
    b'no picture',
    b'RIFF\0\0\0\0WAVEfmt ',
    b'BM',
    b'%!PS-Adobe-3.0 EPSF-3.0',
    b'\0' * 99,
  ):
    with pytest.raises(rejects.ClipError) as error:
      decoded(data)
    assert error.value.reason == 'not_a_picture'
    detail = 'Wanted a picture as PNG, JPEG, GIF, BMP, WEBP, got none of these.'
    assert error.value.detail == detail


def test_an_empty_file():
  with pytest.raises(rejects.ClipError, match='Wanted a picture, got 0 bytes') as error:
    decoded(b'')
  assert error.value.reason == 'empty'


@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'GIF', 'BMP'])
@pytest.mark.parametrize('share', [0.02, 0.3, 0.6, 0.9])
def test_truncated_files_are_refused(kind, share):
  noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
  data = encoded(PIL.Image.fromarray(noise), kind)
  with pytest.raises(rejects.ClipError, match='Wanted a') as error:
    decoded(data[: int(share * len(data))])
  assert error.value.reason == 'truncated'
  assert ' at 0x' not in error.value.detail  # An address would differ from run to run.


@settings(max_examples=200)
@given(
  kind=st.sampled_from(pictures.FORMATS),
  changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
  end=st.floats(0, 1),
)
def test_damaged_files_give_a_picture_or_a_reason(kind, changes, end):
  data = bytearray(encoded(quarters(24, 24), kind))
  for place, value in changes:
    data[int(place * len(data))] = value
  try:
    ours = decoded(bytes(data[: int(end * len(data))]), height=16, width=16)
  except rejects.ClipError as error:
    assert error.detail.startswith('Wanted ')
  else:
    assert ours.shape == (16, 16, 3)


@pytest.mark.parametrize('side', [9_500, 60_000])
def test_a_bomb_is_refused_before_it_is_unpacked(side):
  # A small file that says that it is huge. Pillow itself warns of the first, refuses the second.
  header = struct.pack('>2I5B', side, side, 1, 0, 0, 0, 0)
  chunk = b'IHDR' + header
  data = b'\x89PNG\r\n\x1a\n' + struct.pack('>I', 13) + chunk + struct.pack('>I', zlib.crc32(chunk))
  with pytest.raises(rejects.ClipError, match='Wanted at most 89478485 pixels') as error:
    decoded(data + struct.pack('>I', 0) + b'IDAT' + struct.pack('>I', zlib.crc32(b'IDAT')))
  assert error.value.reason == 'too_large'


NOISY = """
import struct, sys, zlib
from features import image
from features.decoding import pictures
from schemas import rejects
for data in sys.stdin.buffer.read().split(b'---separator---'):
  try:
    pictures.decode(data, image.Image())
  except rejects.ClipError:
    pass
"""


def test_pillow_leaves_nothing_on_stderr():
  chunk = b'IHDR' + struct.pack('>2I5B', 9_500, 9_500, 1, 0, 0, 0, 0)
  bomb = b'\x89PNG\r\n\x1a\n' + struct.pack('>I', 13) + chunk + struct.pack('>I', zlib.crc32(chunk))
  palette = quarters().convert('P', palette=PIL.Image.Palette.ADAPTIVE)
  exif = b'Exif\0\0MM\0*\0\0\0\x08\0\xff\x01\x12\0\x03'
  files = [
    bomb + struct.pack('>I', 0) + b'IDAT' + struct.pack('>I', zlib.crc32(b'IDAT')),
    encoded(palette, 'PNG', transparency=bytes(256)),
    encoded(quarters(), 'JPEG', exif=exif),
    encoded(quarters(), 'JPEG')[:-40],
    b'no picture',
  ]
  completed = subprocess.run(
    [sys.executable, '-W', 'always', '-c', NOISY],
    input=b'---separator---'.join(files),
    capture_output=True,
    check=True,
  )
  assert (completed.stdout, completed.stderr) == (b'', b'')


def test_the_warnings_would_have_been_seen():
  chunk = b'IHDR' + struct.pack('>2I5B', 9_500, 9_500, 1, 0, 0, 0, 0)
  bomb = b'\x89PNG\r\n\x1a\n' + struct.pack('>I', 13) + chunk + struct.pack('>I', zlib.crc32(chunk))
  bomb += struct.pack('>I', 0) + b'IDAT' + struct.pack('>I', zlib.crc32(b'IDAT'))
  with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter('always')
    PIL.Image.open(io.BytesIO(bomb))
  assert seen


@pytest.mark.parametrize(
  ('values', 'sentence'),
  [
    ({'dtype': 'float32'}, "dtype must be uint8 here, got 'float32'"),
    ({'height': 0}, r'height must be in \[1, 4096\] pixels, got 0'),
    ({'width': 5_000}, r'width must be in \[1, 4096\] pixels, got 5000'),
    ({'channels': 2}, r'channels must be 1 \(grey\) or 3 \(colour\), got 2'),
    ({'fit': 'squeeze'}, "fit must be stretch, crop, pad, got 'squeeze'"),
  ],
)
def test_nonsense_is_refused_at_birth(values, sentence):
  with pytest.raises(ValueError, match=sentence):
    image.Image(**values)
