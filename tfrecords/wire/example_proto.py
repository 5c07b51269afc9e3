"""tf.train.Example as a protobuf class of our own, without TensorFlow.

The descriptor is that of TensorFlow's tensorflow/core/example/example.proto and feature.proto, kept
in a private pool: the default pool belongs to TensorFlow, which registers the same full names when
it is imported, before us or after us.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

# map<string, Feature> feature = 1: on the wire, and here, a repeated message of key and value.
_DESCRIPTOR = """
name: 'voxshard/example.proto' package: 'tensorflow' syntax: 'proto3'
message_type { name: 'BytesList'
  field { name: 'value' number: 1 type: TYPE_BYTES label: LABEL_REPEATED } }
message_type { name: 'FloatList'
  field { name: 'value' number: 1 type: TYPE_FLOAT label: LABEL_REPEATED } }
message_type { name: 'Int64List'
  field { name: 'value' number: 1 type: TYPE_INT64 label: LABEL_REPEATED } }
message_type { name: 'Feature' oneof_decl { name: 'kind' }
  field { name: 'bytes_list' number: 1 type_name: '.tensorflow.BytesList' oneof_index: 0 }
  field { name: 'float_list' number: 2 type_name: '.tensorflow.FloatList' oneof_index: 0 }
  field { name: 'int64_list' number: 3 type_name: '.tensorflow.Int64List' oneof_index: 0 } }
message_type { name: 'Features'
  nested_type { name: 'FeatureEntry' options { map_entry: true }
    field { name: 'key' number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
    field { name: 'value' number: 2 type_name: '.tensorflow.Feature' label: LABEL_OPTIONAL } }
  field { name: 'feature' number: 1 type_name: '.tensorflow.Features.FeatureEntry'
          label: LABEL_REPEATED } }
message_type { name: 'Example'
  field { name: 'features' number: 1 type_name: '.tensorflow.Features' label: LABEL_OPTIONAL } }
"""

_pool = descriptor_pool.DescriptorPool()
_pool.AddSerializedFile(
  text_format.Parse(_DESCRIPTOR, descriptor_pb2.FileDescriptorProto()).SerializeToString()
)
Example, Feature = (
  message_factory.GetMessageClass(_pool.FindMessageTypeByName(f'tensorflow.{name}'))
  for name in ('Example', 'Feature')
)
