import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from features import stored_form
from schemas import errors, record

FINITE = hnp.arrays(
  np.float32,
  hnp.array_shapes(),
  elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
)


def test_int16_samples_come_back_bit_for_bit():
  samples = np.arange(-32768, 32768, dtype=np.int16)
  values = stored_form.from_stored(samples)
  assert values.dtype == np.float32
  assert (values.min(), values.max()) == (-1.0, 32767 / 32768)
  np.testing.assert_array_equal(stored_form.to_stored(values, 'int16'), samples)


def test_int16_rounds_to_the_nearest_and_saturates():
  values = np.array([0.4, 0.6, -0.6, 40_000.0, -40_000.0], np.float32) / 32768
  assert stored_form.to_stored(values, 'int16').tolist() == [0, 1, -1, 32767, -32768]
  ends = np.array([1.0, -1.0, 1.5, 1e9], np.float32)
  assert stored_form.to_stored(ends, 'int16').tolist() == [32767, -32768, 32767, 32767]


def test_float16_saturates_instead_of_becoming_infinite():
  values = np.array([65504, 65519, 65520, 1e30, -1e30, 3.4e38], np.float32)
  expected = [65504, 65504, 65504, 65504, -65504, 65504]
  assert stored_form.to_stored(values, 'float16').tolist() == expected


def test_uint8_rounds_halves_to_even_and_saturates():
  values = np.array([0.49, 0.5, 1.5, 2.5, 254.6, 255.4, 256, 1e30, -0.6, -1e30], np.float32)
  stored = stored_form.to_stored(values, 'uint8')
  assert stored.tolist() == [0, 0, 2, 2, 255, 255, 255, 255, 0, 0]
  every = np.arange(256, dtype=np.uint8)
  np.testing.assert_array_equal(stored_form.from_stored(every), np.arange(256, dtype=np.float32))
  np.testing.assert_array_equal(
    stored_form.to_stored(stored_form.from_stored(every), 'uint8'), every
  )


@given(values=FINITE, dtype=st.sampled_from(['float16', 'float32', 'int16', 'uint8']))
def test_stored_values_are_finite_little_endian_and_leave_the_input(values, dtype):
  before = values.tobytes()
  stored = stored_form.to_stored(values, dtype)
  assert stored.dtype == np.dtype(dtype).newbyteorder('<')
  assert stored.shape == values.shape
  assert np.isfinite(stored_form.from_stored(stored)).all()
  assert values.tobytes() == before


@given(values=FINITE)
def test_storing_what_was_stored_changes_nothing(values):
  for dtype in ('float16', 'float32', 'int16', 'uint8'):
    stored = stored_form.to_stored(values, dtype)
    again = stored_form.to_stored(stored_form.from_stored(stored), dtype)
    np.testing.assert_array_equal(stored, again)


@pytest.mark.parametrize('dtype', ['int8', 'float64', ''])
def test_other_types_are_refused(dtype):
  with pytest.raises(errors.FeatureError, match=f"int16, uint8; got dtype '{dtype}'"):
    stored_form.to_stored(np.zeros(1, np.float32), dtype)


def test_every_type_that_a_feature_may_ask_for_is_in_the_record_schema():
  assert {'float16', 'float32', 'int16', 'uint8'} <= set(record.ITEM_BYTES)
