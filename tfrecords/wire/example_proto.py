"""tf.train.Example as a protobuf class of our own, without TensorFlow.

The descriptor is TensorFlow's tensorflow/core/example/example.proto and feature.proto, built in
code and kept in a private pool: the default pool belongs to TensorFlow, which registers the same
full names when it is imported, before us or after us.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_FIELD = descriptor_pb2.FieldDescriptorProto
_FILE_NAME = 'voxshard/example.proto'
_PACKAGE = 'tensorflow'


def _add_list(file: Any, name: str, item_type: int) -> None:
  message = file.message_type.add(name=name)
  message.field.add(name='value', number=1, type=item_type, label=_FIELD.LABEL_REPEATED)


def _add_feature(file: Any) -> None:
  message = file.message_type.add(name='Feature')
  message.oneof_decl.add(name='kind')
  for number, (name, list_type) in enumerate(
    (('bytes_list', 'BytesList'), ('float_list', 'FloatList'), ('int64_list', 'Int64List')), 1
  ):
    message.field.add(
      name=name,
      number=number,
      type=_FIELD.TYPE_MESSAGE,
      type_name=f'.{_PACKAGE}.{list_type}',
      label=_FIELD.LABEL_OPTIONAL,
      oneof_index=0,
    )


def _add_features(file: Any) -> None:
  message = file.message_type.add(name='Features')
  # map<string, Feature> feature = 1: on the wire, and here, a repeated message of key and value.
  entry = message.nested_type.add(name='FeatureEntry')
  entry.options.map_entry = True
  entry.field.add(name='key', number=1, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)
  entry.field.add(
    name='value',
    number=2,
    type=_FIELD.TYPE_MESSAGE,
    type_name=f'.{_PACKAGE}.Feature',
    label=_FIELD.LABEL_OPTIONAL,
  )
  message.field.add(
    name='feature',
    number=1,
    type=_FIELD.TYPE_MESSAGE,
    type_name=f'.{_PACKAGE}.Features.FeatureEntry',
    label=_FIELD.LABEL_REPEATED,
  )


def _make_classes() -> tuple[Any, Any]:
  file = descriptor_pb2.FileDescriptorProto(name=_FILE_NAME, package=_PACKAGE, syntax='proto3')
  _add_list(file, 'BytesList', _FIELD.TYPE_BYTES)
  _add_list(file, 'FloatList', _FIELD.TYPE_FLOAT)
  _add_list(file, 'Int64List', _FIELD.TYPE_INT64)
  _add_feature(file)
  _add_features(file)
  message = file.message_type.add(name='Example')
  message.field.add(
    name='features',
    number=1,
    type=_FIELD.TYPE_MESSAGE,
    type_name=f'.{_PACKAGE}.Features',
    label=_FIELD.LABEL_OPTIONAL,
  )
  pool = descriptor_pool.DescriptorPool()
  pool.AddSerializedFile(file.SerializeToString())
  example, feature = (
    message_factory.GetMessageClass(pool.FindMessageTypeByName(f'{_PACKAGE}.{name}'))
    for name in ('Example', 'Feature')
  )
  return example, feature


Example, Feature = _make_classes()
