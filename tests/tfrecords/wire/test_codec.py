"""Records and their bytes: nothing is lost, TensorFlow agrees, every process writes the same."""

import dataclasses
import hashlib
import os
import re
import subprocess
import sys

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from schemas import errors, record
from tfrecords.wire import codec

SPEC = record.FeatureSpec(name='log_mel', shape=(2, 3), dtype='float16', settings={})
WAVE = record.FeatureSpec(name='waveform', shape=(4,), dtype='int16', settings={})
CLIP = codec.Record(
  utterance_id='yes/ann_0.wav',
  speaker_id='ann',
  label=3,
  num_samples=7,
  augmentation='time_shift:shift_s=-0.031+gain:gain_db=3.2',
  arrays={
    'log_mel': np.arange(6, dtype='<f2').reshape(2, 3),
    'waveform': np.array([-32768, 0, 1, 32767], '<i2'),
  },
  file='long/ann.wav',
  start_us=1_250_000,
  end_us=2_000_001,
  fields={'take': '3', 'age': 'zwölf'},
)
FIELDS_TEXT = '{"age":"zwölf","take":"3"}'
FEATURES = (SPEC, WAVE)


_PLAIN = st.characters(exclude_categories=['Cs'])


@st.composite
def clips(draw):
  names = draw(
    st.lists(st.from_regex(r'[a-z_]{1,8}x', fullmatch=True), min_size=1, max_size=4, unique=True)
  )
  shapes = [draw(st_numpy.array_shapes(max_dims=3, max_side=5)) for _ in names]
  features = tuple(
    record.FeatureSpec(
      name=name,
      shape=(None, *shape[1:]) if draw(st.booleans()) else shape,
      dtype=draw(st.sampled_from(sorted(record.ITEM_BYTES))),
      settings={},
    )
    for name, shape in zip(names, shapes, strict=True)
  )
  arrays = {
    spec.name: draw(st_numpy.arrays(np.dtype(spec.dtype).newbyteorder('<'), shape))
    for spec, shape in zip(features, shapes, strict=True)
  }
  return features, codec.Record(
    augmentation=draw(st.text(st.characters(exclude_categories=['Cs']), max_size=9)),
    # Surrogates stand for bytes of a file name that are no UTF-8.
    utterance_id=draw(st.text(max_size=20)) + draw(st.sampled_from(['', '\udcff', '\udc80'])),
    speaker_id=draw(st.text(st.characters(exclude_categories=['Cs']), max_size=9)),
    label=draw(st.integers(0, 2**63 - 1)),
    num_samples=draw(st.integers(0, 2**63 - 1)),
    arrays=arrays,
    file=draw(st.text(st.characters(exclude_categories=['Cs']), max_size=9)),
    start_us=draw(st.integers(0, 2**63 - 1)),
    end_us=draw(st.integers(0, 2**63 - 1)),
    fields=draw(st.dictionaries(st.text(_PLAIN, max_size=3), st.text(_PLAIN, max_size=5))),
  )


def well_formed(text):
  """Whether `text` can come from the bytes of a file name."""
  try:
    return text.encode('utf-8', 'surrogateescape').decode('utf-8', 'surrogateescape') == text
  except UnicodeEncodeError:
    return False


def assert_same(one, other):
  assert (
    dataclasses.replace(one, arrays={}).__dict__ == dataclasses.replace(other, arrays={}).__dict__
  )
  assert list(one.arrays) == list(other.arrays)
  for name, array in one.arrays.items():
    assert array.dtype == other.arrays[name].dtype
    # Bytes, so that NaN and negative zero count too.
    assert array.shape == other.arrays[name].shape
    assert array.tobytes() == other.arrays[name].tobytes()


@hypothesis.given(clips())
def test_the_bytes_are_those_of_protobuf(drawn):
  features, clip = drawn
  hypothesis.assume(well_formed(clip.utterance_id))
  data = codec.encode(clip, features)
  example = tf.train.Example.FromString(data)
  assert example.SerializeToString(deterministic=True) == data


def test_of_two_names_the_one_that_begins_the_other_comes_behind_it_as_in_protobuf():
  names = ['mel', 'mel_x', 'mela', 'mfcc', 'i', 'idx', 'labe']
  specs = [record.FeatureSpec(name=n, shape=(1,), dtype='int16', settings={}) for n in names]
  arrays = {name: np.zeros(1, '<i2') for name in names}
  data = codec.encode(dataclasses.replace(CLIP, arrays=arrays), specs)
  assert tf.train.Example.FromString(data).SerializeToString(deterministic=True) == data


@pytest.mark.parametrize('num_values', [0, 1, 60, 63, 64, 8_000, 8_192, 1_100_000])
def test_lengths_of_every_number_of_varint_bytes_are_those_of_protobuf(num_values):
  spec = record.FeatureSpec(name='waveform', shape=(None,), dtype='int16', settings={})
  arrays = {'waveform': np.zeros(max(1, num_values), '<i2')}
  clip = dataclasses.replace(CLIP, arrays=arrays, utterance_id='x' * num_values)
  data = codec.encode(clip, (spec,))
  assert tf.train.Example.FromString(data).SerializeToString(deterministic=True) == data


@hypothesis.given(clips())
def test_decode_reads_what_encode_wrote(made):
  features, clip = made
  hypothesis.assume(well_formed(clip.utterance_id))
  assert_same(codec.decode(codec.encode(clip, features), features), clip)


@hypothesis.given(clips())
def test_tensorflow_reads_what_we_write(made):
  features, clip = made
  hypothesis.assume(well_formed(clip.utterance_id))
  example = tf.train.Example.FromString(codec.encode(clip, features))
  fields = example.features.feature
  assert sorted(fields) == sorted([*record.SCALARS, *clip.arrays])
  assert fields['id'].bytes_list.value[0] == clip.utterance_id.encode('utf-8', 'surrogateescape')
  assert fields['speaker'].bytes_list.value[0] == clip.speaker_id.encode()
  assert list(fields['augmentation'].bytes_list.value) == [clip.augmentation.encode()]
  assert list(fields['label'].int64_list.value) == [clip.label]
  assert list(fields['num_samples'].int64_list.value) == [clip.num_samples]
  for name, array in clip.arrays.items():
    assert list(fields[name].bytes_list.value) == [array.tobytes()]


def feature_of(value):
  if isinstance(value, int):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
  return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def tf_example(**fields):
  values = {
    'id': b'yes/ann_0.wav',
    'speaker': b'ann',
    'label': 3,
    'num_samples': 7,
    'augmentation': CLIP.augmentation.encode(),
    'file': CLIP.file.encode(),
    'start_us': CLIP.start_us,
    'end_us': CLIP.end_us,
    'fields': FIELDS_TEXT.encode(),
    **{name: array.tobytes() for name, array in CLIP.arrays.items()},
    **fields,
  }
  features = {name: feature_of(value) for name, value in values.items() if value is not None}
  return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def test_we_read_what_tensorflow_writes():
  assert_same(codec.decode(tf_example(), FEATURES), CLIP)


@pytest.mark.parametrize('field', record.OF_ORIGIN)
def test_a_record_of_version_2_is_read_without_its_origin(field):
  older = tf_example(**dict.fromkeys(record.OF_ORIGIN))
  read = codec.decode(older, FEATURES, record_version=2)
  assert_same(read, dataclasses.replace(CLIP, file='', start_us=0, end_us=0, fields={}))
  with pytest.raises(errors.RecordError, match=f'field {field!r}: expected a .*_list of one value'):
    codec.decode(tf_example(**{field: None}), FEATURES)


@pytest.mark.parametrize('text', [b'', b'{"age": 3}', b'[]', b'{', b'\xff'])
def test_fields_that_are_no_object_of_strings_are_refused(text):
  with pytest.raises(errors.RecordError, match="field 'fields': expected a JSON object of strings"):
    codec.decode(tf_example(fields=text), FEATURES)


def test_the_order_of_fields_does_not_show():
  turned = dataclasses.replace(CLIP, fields=dict(reversed(CLIP.fields.items())))
  assert codec.encode(turned, FEATURES) == codec.encode(CLIP, FEATURES)
  assert FIELDS_TEXT.encode() in codec.encode(CLIP, FEATURES)


def test_fields_that_nobody_asks_for_are_skipped():
  clip = codec.decode(tf_example(comment=b'x'), [WAVE])
  assert list(clip.arrays) == ['waveform']


def test_an_array_in_another_memory_order_is_stored_in_c_order():
  turned = dataclasses.replace(
    CLIP, arrays={**CLIP.arrays, 'log_mel': np.asfortranarray(CLIP.arrays['log_mel'])}
  )
  assert codec.encode(turned, FEATURES) == codec.encode(CLIP, FEATURES)


def test_the_order_of_arrays_does_not_show():
  turned = dataclasses.replace(CLIP, arrays=dict(reversed(CLIP.arrays.items())))
  assert codec.encode(turned, FEATURES[::-1]) == codec.encode(CLIP, FEATURES)


# Pinned: if it must change, bump RECORD_VERSION in schemas/record.py.
PINNED_SHA256 = 'a2b2d75481a9ee2b2a39ddf3cd180574b7ea15e628858732b5bf7a4f9a6aa4fd'


def test_the_bytes_are_pinned():
  data = codec.encode(CLIP, FEATURES)
  assert hashlib.sha256(data).hexdigest() == PINNED_SHA256


@pytest.mark.parametrize(
  ('field', 'value', 'sentence'),
  [
    (
      'log_mel',
      np.zeros((3, 2), '<f2'),
      "Record 'yes/ann_0.wav', field 'log_mel': expected float16 [2, 3], got float16 [3, 2].",
    ),
    ('log_mel', np.zeros((2, 3), '<f4'), 'expected float16 [2, 3], got float32 [2, 3].'),
    ('log_mel', np.zeros((2, 3), '>f2'), 'expected float16 [2, 3], got >f2 [2, 3].'),
    ('waveform', np.zeros(4, '<u2'), 'expected int16 [4], got uint16 [4].'),
  ],
)
def test_an_array_of_another_form_is_refused(field, value, sentence):
  clip = dataclasses.replace(CLIP, arrays={**CLIP.arrays, field: value})
  with pytest.raises(errors.RecordError, match=re.escape(sentence)):
    codec.encode(clip, FEATURES)


ANY = record.FeatureSpec(name='mel', shape=(None, 3), dtype='float32', settings={})


def any_length(array):
  return dataclasses.replace(CLIP, arrays={'mel': array})


@pytest.mark.parametrize(
  ('array', 'got'),
  [
    (np.zeros((2, 4), '<f4'), 'float32 [2, 4]'),
    (np.zeros((2, 3, 1), '<f4'), 'float32 [2, 3, 1]'),
    (np.zeros(3, '<f4'), 'float32 [3]'),
    (np.zeros((0, 3), '<f4'), 'float32 [0, 3]'),
    (np.zeros((2, 3), '<f2'), 'float16 [2, 3]'),
  ],
)
def test_an_array_of_any_length_has_the_rows_it_should(array, got):
  sentence = re.escape(f"field 'mel': expected float32 [any, 3], got {got}.")
  with pytest.raises(errors.RecordError, match=sentence):
    codec.encode(any_length(array), [ANY])


@pytest.mark.parametrize('num_bytes', [0, 1, 11, 13, 23])
def test_no_half_rows_are_read(num_bytes):
  encoded = tf_example(mel=b'x' * num_bytes)
  sentence = f'expected a multiple of 12 bytes (float32 [any, 3]), got {num_bytes}.'
  with pytest.raises(errors.RecordError, match=re.escape(sentence)):
    codec.decode(encoded, [ANY])


def test_missing_and_foreign_arrays_are_refused():
  one = dataclasses.replace(CLIP, arrays={'log_mel': CLIP.arrays['log_mel']})
  with pytest.raises(errors.RecordError, match=r"the features \['log_mel', 'waveform'\], got \["):
    codec.encode(one, FEATURES)
  other = dataclasses.replace(CLIP, arrays={**one.arrays, 'mfcc': CLIP.arrays['waveform']})
  with pytest.raises(errors.RecordError, match="'yes/ann_0.wav' has no array 'waveform'; it has"):
    codec.encode(other, FEATURES)


@pytest.mark.parametrize('field', ['label', 'num_samples'])
@pytest.mark.parametrize('value', [-1, 2**63])
def test_numbers_out_of_range_are_refused(field, value):
  sentence = f"field '{field}': expected a whole number from 0 on, got {value}"
  with pytest.raises(errors.RecordError, match=sentence):
    codec.encode(dataclasses.replace(CLIP, **{field: value}), FEATURES)


@pytest.mark.parametrize(
  ('data', 'sentence'),
  [
    (b'\xff\xff\xff', 'Expected a tf.train.Example, got 3 other bytes'),
    (b'', "Record 'no id', field 'id': expected a bytes_list of one value, got 0."),
    (tf_example(speaker=None), "Record 'yes/ann_0.wav', field 'speaker': expected a bytes_list"),
    (tf_example(augmentation=None), "field 'augmentation': expected a bytes_list of one value"),
    (tf_example(label=b'3'), "field 'label': expected a int64_list of one value, got 0."),
    (tf_example(log_mel=None), "field 'log_mel': expected a bytes_list of one value, got 0."),
    (
      tf_example(log_mel=b'12345'),
      "field 'log_mel': expected 12 bytes (float16 [2, 3]), got 5. The data set was written with "
      'other settings than its manifest says.',
    ),
  ],
)
def test_bytes_of_another_kind_are_refused(data, sentence):
  with pytest.raises(errors.RecordError, match=re.escape(sentence)):
    codec.decode(data, FEATURES)


@hypothesis.given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_with_a_sentence(data):
  with pytest.raises(errors.RecordError, match=r'\.$'):
    codec.decode(data, FEATURES)


def run_python(code, **env):
  return subprocess.run(
    [sys.executable, '-c', code],
    env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path), **env},
    capture_output=True,
    text=True,
    check=True,
  ).stdout


def test_the_bytes_do_not_depend_on_the_process():
  code = """
import hashlib, numpy as np
from schemas import record
from tfrecords.wire import codec
names = ['b', 'a', 'log_mel', 'zz', 'waveform', 'c']
specs = [record.FeatureSpec(name=n, shape=(2,), dtype='uint8', settings={}) for n in names]
clip = codec.Record(utterance_id='i', speaker_id='s', label=1, num_samples=2,
                    arrays={n: np.array([1, 2], np.uint8) for n in set(names)})
print(hashlib.sha256(codec.encode(clip, specs)).hexdigest(), end='')
"""
  assert len({run_python(code, PYTHONHASHSEED=seed) for seed in ('0', '1', '2')}) == 1


def test_the_codec_and_tensorflow_live_in_one_process():
  # TensorFlow second, with descriptors of the same names; this module imports it first.
  code = """
from tfrecords.wire import codec
import tensorflow as tf
import numpy as np
from schemas import record
spec = record.FeatureSpec(name='x', shape=(2,), dtype='uint8', settings={})
clip = codec.Record(utterance_id='i', speaker_id='s', label=1, num_samples=2,
                    arrays={'x': np.array([1, 2], np.uint8)})
example = tf.train.Example.FromString(codec.encode(clip, [spec]))
print(codec.decode(example.SerializeToString(), [spec]).utterance_id, end='')
"""
  assert run_python(code) == 'i'
