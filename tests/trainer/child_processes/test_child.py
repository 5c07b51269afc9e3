"""How a child says what is wrong, and ends; and how several share GPUs."""

import signal

import pytest

from tests.helpers import waits
from trainer.child_processes import child, gpu_places

DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('on', flush=True)
time.sleep(600)
"""


def ended(log, program):
  """Runs a program to its end; returns its exit code."""
  one = child.Child(['-c', program], log=str(log))
  return waits.until(lambda: one.exit_code() is not None) or one.exit_code()


def test_a_process_that_ignores_the_signal_is_killed(tmp_path):
  log = tmp_path / 'log'
  one = child.Child(['-c', DEAF], log=str(log))
  waits.until(lambda: '\non\n' in log.read_text())
  child.stop_all([one], patience_s=0.2)
  assert one.exit_code() == -signal.SIGKILL
  assert child.how_it_ended(one.exit_code()) == 'was ended by SIGKILL, as for want of memory'


def test_what_a_process_complains_of_is_the_last_error_since_its_command(tmp_path):
  log = tmp_path / 'log'
  assert ended(log, 'import sys; print("error: Too hot."); print("by the way"); sys.exit(2)') == 2
  assert child.complaint(str(log), 2) == 'Too hot.'
  assert ended(log, 'import sys; sys.exit(3)') == 3
  assert child.complaint(str(log), 3) == f'it said nothing (exit code 3; {log} holds the rest)'
  assert ended(log, 'print("odd"); raise SystemExit(1)') == 1
  assert child.complaint(str(log), 1).startswith('odd (exit code 1; ')
  assert 'its process was ended by SIGTERM; ' in child.complaint(str(tmp_path / 'none'), -15)
  assert log.read_text().count('$ ') == 3


@pytest.mark.parametrize(
  ('visible', 'given', 'wanted'),
  [
    ('0,1', {}, ('0', '1')),
    ('GPU-a, GPU-b', {'parallel': 3}, ('GPU-a', 'GPU-b', 'GPU-a')),
    ('1', {'parallel': 2}, ('1', '1')),
    ('', {}, ('',)),
    ('-1', {'parallel': 2}, ('', '')),
    ('0,1', {'takes_all_devices': True}, ('',)),
    ('0,1', {'uses_gpus': False}, ('',)),
  ],
)
def test_places_are_the_gpus_that_the_process_may_use(monkeypatch, visible, given, wanted):
  monkeypatch.setenv('CUDA_VISIBLE_DEVICES', visible)
  places = gpu_places.places(**{'parallel': 0, 'takes_all_devices': False, **given})
  assert places.gpus == wanted


def test_processes_that_share_a_gpu_leave_memory_to_one_another():
  places = gpu_places.Places(gpus=('0', '1', '0'))
  assert places.environment('1') == {'CUDA_VISIBLE_DEVICES': '1'}
  assert places.environment('0')['TF_FORCE_GPU_ALLOW_GROWTH'] == 'true'
  assert gpu_places.Places().environment('') == {}
