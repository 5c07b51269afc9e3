"""What a data set's features.json says: the name, kind and form of each feature.

TFDS writes it as JSON of its feature.proto since version 4.4, before as `type` and `content`. Both
are read. Features inside of others have names with `/`, as in the records.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any

from schemas import errors

AUDIO, CLASS_LABEL, TEXT, TENSOR = 'Audio', 'ClassLabel', 'Text', 'Tensor'
# Key of a node's content -> kind; a Scalar is a Tensor without dimensions.
_CONTENT = {'audio': AUDIO, 'classLabel': CLASS_LABEL, 'text': TEXT, 'tensor': TENSOR}
_KINDS = {**{kind: kind for kind in _CONTENT.values()}, 'Scalar': TENSOR}
_STRINGS = ('string', 'object', 'str')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Feature:
  """One feature.

  Attributes:
    name: Its key in a record.
    kind: AUDIO, CLASS_LABEL, TEXT, TENSOR, or the name of another class of TFDS.
    dtype: Type of its values, as NumPy calls it; 'string' for text.
    shape: Its dimensions; None for one that varies.
    encoding: `none`, `bytes` or `zlib`.
    is_file: Whether whole audio files are stored.
    rate_hz: Samples per second; 0 if it does not say.
    num_classes: Classes of a class label.
  """

  name: str
  kind: str
  dtype: str = ''
  shape: tuple[int | None, ...] = ()
  encoding: str = 'none'
  is_file: bool = False
  rate_hz: int = 0
  num_classes: int = 0

  @property
  def is_value(self) -> bool:
    """Whether it is one value a record that can be a label or a speaker: a text, a whole number."""
    if self.kind in (CLASS_LABEL, TEXT):
      return True
    is_scalar = self.kind == TENSOR and not self.shape and self.encoding == 'none'
    return is_scalar and (self.dtype in _STRINGS or self.dtype.lstrip('u').startswith('int'))


def parse(text: str, *, where: str) -> dict[str, Feature]:
  """Returns the features of a data set by name, sorted.

  Args:
    text: Content of features.json.
    where: The file, for errors.

  Raises:
    SourceError: if it is not what TFDS writes.
  """
  try:
    found = {feature.name: feature for feature in _features('', json.loads(text))}
  except (AttributeError, KeyError, TypeError, ValueError) as error:
    raise errors.SourceError(
      f'{where} is not what TensorFlow Datasets writes ({type(error).__name__}: {error}). Copy the '
      'data set again, or prepare it again.'
    ) from error
  return dict(sorted(found.items()))


def _features(name: str, node: Mapping[str, Any]) -> Iterator[Feature]:
  class_name = (node.get('pythonClassName') or node['type']).rpartition('.')[2]
  children = _children(node, class_name)
  if children is None:
    yield _feature(name, node, class_name)
    return
  for child, child_node in children.items():
    yield from _features(f'{name}/{child}' if name else child, child_node)


def _children(node: Mapping[str, Any], class_name: str) -> Mapping[str, Any] | None:
  """Returns the features of a dictionary of features; None for one that is none."""
  if 'featuresDict' in node:
    return dict(node['featuresDict'].get('features', {}))
  if class_name == 'FeaturesDict':
    return dict(node.get('content', {}))
  return None


def _feature(name: str, node: Mapping[str, Any], class_name: str) -> Feature:
  key = next((key for key in _CONTENT if key in node), '')
  kind = _CONTENT[key] if key else _KINDS.get(class_name, class_name)
  content = (node[key] if key else node.get('content')) or {}

  def value(name: str, older: str) -> Any:
    return content.get(name, content.get(older))

  return Feature(
    name=name,
    kind=kind,
    dtype=content.get('dtype', ''),
    shape=_shape(content.get('shape')),
    encoding=(content.get('encoding') or 'none').lower(),
    is_file=bool(value('lazyDecode', 'lazy_decode')),
    rate_hz=int(value('sampleRate', 'sample_rate') or 0),
    num_classes=int(value('numClasses', 'num_classes') or 0),
  )


def _shape(shape: Any) -> tuple[int | None, ...]:
  """Reads `{"dimensions": ["-1", "2"]}` or `[null, 2]`."""
  sizes = shape.get('dimensions', []) if isinstance(shape, dict) else shape or []
  return tuple(None if size is None or int(size) < 0 else int(size) for size in sizes)
