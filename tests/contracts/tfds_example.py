"""A data set of four clips as TFDS would have prepared it, for tests; its audio is empty."""

import json

from beam_jobs.sources.tfds_records import prepared
from tfrecords.wire import example_wire, framing

_NAME = 'example'
# Split -> (label's number, speaker) of each record.
_RECORDS = {
  'train': ((0, 'anna'), (1, 'anna'), (1, 'ben')),
  'test': ((0, 'cleo'), (1, 'cleo')),
}
_TYPES = 'tensorflow_datasets.core.features'
_FEATURES = {
  'audio': {
    'pythonClassName': f'{_TYPES}.audio_feature.Audio',
    'audio': {
      'shape': {'dimensions': ['-1']},
      'dtype': 'int64',
      'encoding': 'NONE',
      'sampleRate': '8000',
    },
  },
  'label': {
    'pythonClassName': f'{_TYPES}.class_label_feature.ClassLabel',
    'classLabel': {'numClasses': '2'},
  },
  'speaker_id': {'pythonClassName': f'{_TYPES}.text_feature.Text', 'text': {}},
}


def files() -> dict[str, bytes]:
  """Returns the files of the data set's folder by name."""
  info = {
    'fileFormat': 'tfrecord',
    'name': _NAME,
    'splits': [
      {'name': split, 'shardLengths': [str(len(records))]} for split, records in _RECORDS.items()
    ],
    'version': '1.0.0',
  }
  features = {
    'pythonClassName': f'{_TYPES}.features_dict.FeaturesDict',
    'featuresDict': {'features': _FEATURES},
  }
  return {
    prepared.INFO_FILE: json.dumps(info).encode(),
    prepared.FEATURES_FILE: json.dumps(features).encode(),
    'label.labels.txt': b'no\nyes\n',
    **{
      f'{_NAME}-{split}.tfrecord-00000-of-00001': b''.join(_record(*record) for record in records)
      for split, records in _RECORDS.items()
    },
  }


def _record(label: int, speaker: str) -> bytes:
  fields = {
    'audio': ((), 0),  # No samples.
    'label': example_wire.int64_feature(label),
    'speaker_id': example_wire.bytes_feature(speaker.encode()),
  }
  return b''.join(framing.frame(example_wire.example(fields)))
