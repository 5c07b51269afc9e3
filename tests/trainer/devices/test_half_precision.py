"""Whether a processor computes in 16 bits by itself."""

from trainer.devices import half_precision


def test_a_processor_says_what_it_computes_in(tmp_path):
  cpuinfo = tmp_path / 'cpuinfo'

  def emulated(precision, line):
    cpuinfo.write_text(f'model name\t: AMD EPYC\n{line}\nflags\t\t: none\n')
    return half_precision.is_emulated(precision, cpuinfo)

  assert emulated('mixed_bfloat16', 'flags\t\t: fpu avx2 avx512f')
  assert not emulated('mixed_bfloat16', 'flags\t\t: fpu avx512_bf16 avx2')
  assert not emulated('mixed_bfloat16', 'Features\t: fp asimd bf16')
  assert emulated('mixed_float16', 'flags\t\t: fpu avx512_bf16')
  assert not emulated('float32', 'flags\t\t: fpu')
  assert not half_precision.is_emulated('mixed_bfloat16', tmp_path / 'none')
