"""What each augmentation does, against what is known of it."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from schemas import errors
from trainer import augment
from trainer.augment import augmentation, mixup

CONTEXT = augmentation.Context(sample_rate_hz=1_000)


def draws(*columns):
  return tf.constant(np.stack(columns, axis=1).astype(np.float32))


def apply(text, values, numbers, *, context=CONTEXT, **examples):
  name, settings = augment.parse(text)
  given = augmentation.Examples(values=tf.constant(values), **examples)
  member = augment.AUGMENTATIONS[name]
  assert numbers.shape[1] == member.num_draws(settings)
  return member.apply(given, settings, numbers, context)


def clips(count=4, samples=1_000, seed=0):
  return np.random.default_rng(seed).uniform(-0.5, 0.5, (count, samples)).astype(np.float32)


def test_gain_is_uniform_in_db():
  found = apply('gain:min_db=-20,max_db=20', clips(3), draws([0.0, 0.5, 0.75])).values
  np.testing.assert_allclose(found, clips(3) * [[0.1], [1.0], [10**0.5]], rtol=1e-5)


@pytest.mark.parametrize(('number', 'shift'), [(0.0, -100), (0.5, 0), (0.99999, 100)])
def test_shift_moves_samples_and_fills_with_zeros(number, shift):
  values = clips(1)
  found = apply('shift:max_shift_s=0.1', values, draws([number])).values.numpy()[0]
  wanted = np.zeros(1_000, np.float32)
  if shift < 0:
    wanted[:shift] = values[0][-shift:]
  else:
    wanted[shift:] = values[0][: 1_000 - shift]
  np.testing.assert_array_equal(found, wanted)


def test_half_of_a_short_clip_stays_in_it():
  values = np.zeros((1, 1_000), np.float32)
  values[0, :10] = np.arange(1, 11)
  rows = tf.constant([10])
  found = apply('shift:max_shift_s=0.5', values, draws([0.0]), num_rows=rows).values.numpy()[0]
  np.testing.assert_array_equal(found[:10], [6, 7, 8, 9, 10, 0, 0, 0, 0, 0])
  assert not found[10:].any()


def test_noise_is_as_far_below_the_clip_as_drawn():
  values = clips(4, 20_000) * np.array([[1], [0.1], [1], [0]], np.float32)
  rows = tf.constant([20_000, 20_000, 5_000, 20_000])
  values[2, 5_000:] = 0
  numbers = draws([0.0, 0.5, 0.5, 0.5], [0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8])
  found = apply('noise:min_snr_db=0,max_snr_db=40', values, numbers, num_rows=rows).values.numpy()
  noise = found - values
  for i, snr_db in enumerate((0, 20, 20)):
    n = rows[i]
    measured = 10 * np.log10(np.mean(values[i, :n] ** 2) / np.mean(noise[i, :n] ** 2))
    assert measured == pytest.approx(snr_db, abs=0.3)
  assert not noise[2, 5_000:].any()
  assert not noise[3].any()  # Silence stays silent.
  level = noise[0] / noise[0].std()
  assert abs(np.mean(level)) < 0.03
  assert scipy.stats.kstest(level[:2_000], 'norm').pvalue > 1e-3
  assert abs(np.corrcoef(noise[0], noise[1])[0, 1]) < 0.05


def test_masks_are_bands_of_at_most_the_sizes_asked_for():
  count, rows, bins = 300, 50, 30
  text = 'spec_augment:time_masks=1,max_time_rows=8,frequency_masks=1,max_frequency_bins=5'
  values = np.ones((count, rows, bins), np.float32)
  rng = np.random.default_rng(0)
  context = augmentation.Context(fill=tuple(range(2, 2 + bins)))
  numbers = draws(*rng.random((4, count)))
  found = apply(text, values, numbers, context=context).values.numpy()
  masked = found != 1
  np.testing.assert_array_equal(found[masked], np.broadcast_to(context.fill, found.shape)[masked])
  times, frequencies = masked.all(axis=2), masked.all(axis=1)
  np.testing.assert_array_equal(masked, times[:, :, None] | frequencies[:, None])
  for bands, most in ((times, 8), (frequencies, 5)):
    widths = bands.sum(axis=1)
    assert set(widths) == set(range(most + 1))
    assert (np.abs(np.diff(bands.astype(int), axis=1)).sum(axis=1) <= 2).all()  # One band each.
    assert bands.any(axis=0).all()  # Every place is masked now and then, both ends too.


def test_masks_of_short_clips_are_shares_of_them():
  values = np.ones((200, 100, 4), np.float32)
  rows = tf.constant([10] * 200)
  numbers = draws(*np.random.default_rng(0).random((2, 200)))
  text = 'spec_augment:time_masks=1,max_time_share=0.3,frequency_masks=0'
  context = augmentation.Context(fill=(7.0,))
  found = apply(text, values, numbers, context=context, num_rows=rows).values.numpy()
  assert (found[:, 10:] == 1).all()
  assert set((found == 7).all(axis=2).sum(axis=1)) == {0, 1, 2, 3}


def test_cutout_masks_a_rectangle_whose_centre_lies_anywhere():
  count, rows, bins = 400, 20, 12
  values = np.ones((count, rows, bins, 2), np.float32)
  numbers = draws(*np.random.default_rng(0).random((2, count)))
  context = augmentation.Context(fill=(5.0, 6.0))
  text = 'cutout:row_share=0.5,bin_share=0.25'
  found = apply(text, values, numbers, context=context).values.numpy()
  masked = (found == [5, 6]).all(axis=-1)
  np.testing.assert_array_equal(found[~masked], 1)
  heights, widths = masked.any(axis=2).sum(axis=1), masked.any(axis=1).sum(axis=1)
  np.testing.assert_array_equal(masked.sum(axis=(1, 2)), heights * widths)  # A whole rectangle.
  # 10 rows and 3 bins, less what lies outside: about half where the centre is at an edge.
  assert set(heights) == set(range(5, 11)) and set(widths) == {2, 3}
  assert masked.any(axis=0).all()


def test_cutout_of_a_short_clip_is_a_share_of_it():
  values = np.ones((100, 50, 4), np.float32)
  numbers = draws(*np.random.default_rng(0).random((2, 100)))
  rows = tf.constant([10] * 100)
  text = 'cutout:row_share=0.4,bin_share=1'
  context = augmentation.Context(fill=(7.0,))
  found = apply(text, values, numbers, context=context, num_rows=rows).values.numpy()
  assert (found[:, 10:] == 1).all()
  assert set((found == 7).any(axis=2).sum(axis=1)) == {2, 3, 4}


def test_without_a_fill_masks_get_the_mean_of_the_clip():
  values = np.random.default_rng(0).normal(size=(2, 10, 6, 3)).astype(np.float32)
  rows = tf.constant([10, 4])
  text = 'spec_augment:time_masks=0,frequency_masks=1,max_frequency_bins=3'
  found = apply(text, values, draws([0.9, 0.9], [0.5, 0.5]), num_rows=rows).values.numpy()
  for clip, given, n in zip(found, values, (10, 4), strict=True):
    changed = clip != given
    assert changed[:n].any() and not changed[n:].any()
    np.testing.assert_allclose(clip[changed], given[:n].mean(), rtol=1e-5)


@pytest.mark.parametrize('alpha', [0.1, 0.4, 1.0, 8.0])
def test_shares_of_mixup_are_those_of_the_beta_distribution(alpha):
  numbers = (np.arange(20_000) + 0.5) / 20_000
  shares = mixup._shares(tf.constant(numbers.astype(np.float32)), alpha).numpy()
  drawn = np.random.default_rng(0).beta(alpha, alpha, 20_000)
  wanted = np.minimum(drawn, 1 - drawn)
  assert shares.min() >= 0 and shares.max() <= 0.5
  assert scipy.stats.ks_2samp(shares, wanted).statistic < 0.02


def test_mixup_mixes_each_example_with_one_other():
  values = np.eye(5, dtype=np.float32)[:, None] * np.ones((5, 3, 1), np.float32)
  labels = tf.constant([10, 11, 12, 13, 14], tf.int64)
  numbers = draws([0.9, 0.8, 0.7, 0.6, 0.5], [0.3, 0.1, 0.9, 0.2, 0.5])
  found = apply('mixup:alpha=1', values, numbers, other_label=labels)
  partners = found.other_label.numpy() - 10
  assert sorted(partners) == [0, 1, 2, 3, 4]
  assert (partners != np.arange(5)).all()
  shares = found.other_share.numpy()
  np.testing.assert_allclose(shares, [0.45, 0.4, 0.35, 0.3, 0.25], atol=1e-3)
  for i, clip in enumerate(found.values.numpy()):
    wanted = np.zeros(5)
    wanted[i], wanted[partners[i]] = 1 - shares[i], shares[i]
    np.testing.assert_allclose(clip, [wanted] * 3, rtol=1e-6)


def test_mixup_mixes_no_padding_in():
  values = np.ones((2, 10, 2), np.float32)
  values[0] *= 3
  values[0, 4:] = 0
  rows = tf.constant([4, 10])
  labels = tf.constant([0, 1], tf.int64)
  numbers = draws([0.99999, 0.99999], [0.1, 0.2])
  found = apply('mixup:alpha=1', values, numbers, other_label=labels, num_rows=rows).values.numpy()
  np.testing.assert_allclose(found[0, :4], 2, rtol=1e-3)
  np.testing.assert_array_equal(found[0, 4:], 0)
  np.testing.assert_allclose(found[1, :4], 2, rtol=1e-3)
  np.testing.assert_array_equal(found[1, 4:], 1)


@pytest.mark.parametrize(
  ('text', 'sentence'),
  [
    ('nois', "No augmentation is called 'nois'. Did you mean 'noise'?"),
    ('gain:min_db=3,max_db=-3', 'the smaller first, got 3.0 and -3.0'),
    ('mixup:alpha=-1', r'alpha must be in \[0, 100\], got -1.0'),
    ('spec_augment:time_masks=x', "expected int, got 'x'"),
    ('shift:max_shift_s=nan', r'max_shift_s must be in \[0, 60\], got nan'),
  ],
)
def test_wrong_texts_are_refused(text, sentence):
  with pytest.raises(errors.ConfigError, match=sentence):
    augment.parse(text)
