"""What 16 bits may lack: instructions of the processor, and the same bits twice on a GPU."""

import pathlib
import re

from tfrecords.resources import control_groups

_CPUINFO = pathlib.Path('/proc/cpuinfo')
# Of /proc/cpuinfo: `flags` of x86, `Features` of Arm.
_FLAGS = re.compile(r'^(?:flags|Features)\s*: (.*)$', re.MULTILINE)
# By precision, what a processor that computes in it says of itself; one of these is enough.
_INSTRUCTIONS = {
  'mixed_bfloat16': {'avx512_bf16', 'amx_bf16', 'avx_ne_convert', 'bf16'},
  'mixed_float16': {'avx512_fp16', 'amx_fp16', 'asimdhp'},
}
# On a GPU, each time that it was tried: weights of two runs differed by up to 6e-4.
_UNREPEATED = {('bilstm', 'mixed_bfloat16')}


def is_emulated(precision: str, cpuinfo: pathlib.Path = _CPUINFO) -> bool:
  """Whether a CPU has no instructions for a precision; False where nobody can tell.

  Measured on an AMD EPYC (family 26) with avx512_bf16: a step costs 0.85 (vgg16) and 0.42 (cnn) of
  what it costs in float32 with mixed_bfloat16. With these instructions switched off
  (ONEDNN_MAX_CPU_ISA=AVX512_CORE) it costs 2.0 times as much (vgg16). Without instructions for
  float16, as there, mixed_float16 costs 5.6 (vgg16) and 4.6 times as much (cnn).
  """
  wanted = _INSTRUCTIONS.get(precision)
  match = _FLAGS.search(control_groups.read(cpuinfo))
  return bool(wanted and match and not wanted & set(match[1].split()))


def repeats(model: str, precision: str) -> bool:
  """Whether a model has the same weights twice on a GPU with --deterministic.

  Every model of the table does in float32 and mixed_bfloat16, but for one, on an H100 with cuDNN
  9.19 (tests/gpu/test_numbers.py; other GPUs were not tried).
  """
  return (model, precision) not in _UNREPEATED
