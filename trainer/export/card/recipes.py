"""How each format of an export is loaded: code for its model card, which a test runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from exports import export_file
from trainer.export import made as made_lib

_LABELS = "labels = open('labels.txt', encoding='utf-8').read().splitlines()"

_ASK: Mapping[str, str] = {
  export_file.SAVED_MODEL: """\
import numpy as np
import tensorflow as tf

{given}
model = tf.saved_model.load('{file}').signatures['serving_default']
answer = model({first}=tf.constant({first}))
print(answer['label'].numpy(), answer['probabilities'].numpy())
""",
  export_file.KERAS: """\
import keras
import numpy as np

{labels}
{given}
model = keras.models.load_model('{file}')
answer = model({all_given})
print(labels[int(np.argmax(answer['probabilities'][0]))])
""",
  export_file.LITERT: """\
import numpy as np
from ai_edge_litert.interpreter import Interpreter

{labels}
{given}
ask = Interpreter(model_path='{file}').get_signature_runner('serving_default')
answer = ask({named})
print(labels[int(np.argmax(answer['probabilities'][0]))])
""",
  export_file.LITERT_STREAMING: """\
import json
import numpy as np
from ai_edge_litert.interpreter import Interpreter

{labels}
{given}
how = json.load(open('model_streaming.json'))
ask = Interpreter(model_path='{file}').get_signature_runner('serving_default')
first, size = how['primed_samples'], how['block_samples']
states = {{x['name']: np.zeros(x['shape'], np.float32) for x in how['states']}}
if first:
  states['state_0'] = samples[:, :first]
for i in range((samples.shape[1] - first) // size):
  answer = ask(samples=samples[:, first + i * size :][:, :size], **states)
  states = {{name: answer[name] for name in states}}
  if i + 1 >= how['first_block']:
    print(labels[int(np.argmax(answer['probabilities'][0]))])
""",
  export_file.ONNX: """\
import numpy as np
import onnxruntime

{labels}
{given}
session = onnxruntime.InferenceSession('{file}')
probabilities, = session.run(['probabilities'], {{{quoted}}})
print(labels[int(np.argmax(probabilities[0]))])
""",
}
_NEEDS: Mapping[str, str] = {
  export_file.SAVED_MODEL: 'TensorFlow',
  export_file.KERAS: 'Keras, on TensorFlow',
  export_file.LITERT: '`pip install ai-edge-litert`',
  export_file.LITERT_STREAMING: '`pip install ai-edge-litert`; samples as they come',
  export_file.ONNX: '`pip install onnxruntime`',
}


def blocks(
  made: made_lib.Made, export: export_file.Export, files: Sequence[tuple[str, str]]
) -> Iterator[str]:
  """Yields a block of Python for each format, to be run in the folder of the export.

  Args:
    made: What was exported.
    export: What it is.
    files: The formats and the names of their files.
  """
  yield 'In the folder of the export:'
  for name, file in files:
    is_clips = name in (export_file.LITERT_DYNAMIC, export_file.LITERT_INT8)
    kind = export_file.LITERT if is_clips else name
    is_alone = kind in (export_file.LITERT, export_file.LITERT_STREAMING)
    names = made.input_names(is_alone=is_alone)
    if kind == export_file.SAVED_MODEL:
      names = names[:1]
    code = _ASK[kind].format(
      file=file,
      labels=_LABELS,
      given=_given(names, export),
      first=names[0],
      all_given=names[0] if len(names) == 1 else f'{{{_pairs(names, "{0!r}: {0}")}}}',
      named=_pairs(names, '{0}={0}'),
      quoted=_pairs(names, '{0!r}: {0}'),
    )
    yield ''
    yield f'`{name}` ({_NEEDS[kind]}):'
    yield ''
    yield '```python'
    yield from code.splitlines()
    yield '```'


def _given(names: tuple[str, ...], export: export_file.Export) -> str:
  """Returns lines that make what a model takes."""
  if export.audio is None:
    shape = (1, *export.feature.shape)
    return f'pictures = np.zeros({shape}, np.uint8)  # Yours.'
  size = export.audio.clip_samples or export.audio.sample_rate_hz
  lines = [f'samples = np.zeros((1, {size}), np.float32)  # Yours.']
  if export_file.NUM_SAMPLES in names:
    lines.append(f'num_samples = np.array([{size}], np.int32)  # Before zeros.')
  return '\n'.join(lines)


def _pairs(names: tuple[str, ...], form: str) -> str:
  return ', '.join(form.format(name) for name in names)
