"""How the processes of folds start, share GPUs, and end together; they do nothing here but that."""

import fcntl
import os
import signal
import subprocess
import sys
import time

import pytest

from schemas import errors
from trainer.child_processes import gpu_places
from trainer.folds import fold_processes

END = '\n# end'


def run_all(tmp_path, programs, *, gpus=('',), on_end=None):
  ended = []
  with fold_processes.locked(str(tmp_path / 'lock')) as lock:
    fold_processes.run_all(
      {number: ['-c', program + END] for number, program in enumerate(programs)},
      log_of=lambda number: str(tmp_path / f'{number}.log'),
      where=gpu_places.Places(gpus=gpus),
      lock=lock,
      on_start=lambda number: None,
      on_end=on_end or ended.append,
    )
  return ended


def said(tmp_path, number):
  """What a process said, without the command, which may have more than one line."""
  return (tmp_path / f'{number}.log').read_text().partition(f'{END}\n')[2]


def test_one_after_the_other_in_their_order(tmp_path):
  assert run_all(tmp_path, [f'print("fold {i}")' for i in range(3)]) == [0, 1, 2]
  assert said(tmp_path, 1) == 'fold 1\n'


def test_each_has_a_gpu_of_its_own(tmp_path):
  # The one that is done first makes room for the third.
  show = 'import os; print(os.environ["CUDA_VISIBLE_DEVICES"], flush=True)\n'
  waits = (
    f'import os, time\nwhile not os.path.exists({str(tmp_path / "2.log")!r}): time.sleep(0.02)\n'
  )
  run_all(tmp_path, [show + waits, show, show], gpus=('4', '7'))
  assert [said(tmp_path, number).strip() for number in range(3)] == ['4', '7', '7']


WAITS = (
  'import signal, sys, time\n'
  'signal.signal(signal.SIGTERM, lambda *_: sys.exit(print("saved", flush=True)))\n'
  'print("up", flush=True)\n'
  'time.sleep(600)\n'
)
UNTIL_UP = (
  'import os, sys, time\n'
  'while "\\nup" not in (open({0!r}).read() if os.path.exists({0!r}) else ""): time.sleep(0.02)\n'
)


def test_of_one_that_fails_the_last_line_is_said_and_the_others_save_and_stop(tmp_path):
  fails = UNTIL_UP.format(str(tmp_path / '0.log')) + 'sys.exit(print("error: Too hot.") or 2)'
  with pytest.raises(errors.ConfigError, match=r'Fold 1: Too hot\. \(All .*1\.log'):
    run_all(tmp_path, [WAITS, fails, 'print()'], gpus=('', ''))
  assert said(tmp_path, 0) == 'up\nsaved\n'
  assert not (tmp_path / '2.log').exists()


@pytest.mark.parametrize(
  ('program', 'wanted'),
  [
    ('raise SystemExit(3)', 'fold 0 ended with exit code 3'),
    ('import os; os.kill(os.getpid(), 9)', 'was ended by SIGKILL, as for want of memory'),
  ],
)
def test_of_one_that_dies_it_is_said_how(tmp_path, program, wanted):
  with pytest.raises(errors.ConfigError, match=f'{wanted}.*run the same command again'):
    run_all(tmp_path, [program])


def test_who_is_asked_to_stop_lets_them_save_first(tmp_path):
  def stop(number):
    raise KeyboardInterrupt

  starts = UNTIL_UP.format(str(tmp_path / '0.log'))
  with pytest.raises(KeyboardInterrupt):
    run_all(tmp_path, [WAITS, starts], gpus=('', ''), on_end=stop)
  assert said(tmp_path, 0) == 'up\nsaved\n'


def test_when_the_launcher_is_killed_its_processes_end_and_hold_the_lock_until_then(tmp_path):
  fold = 'from trainer.child_processes import parent_tie; parent_tie.end_with_parent()\n' + WAITS
  launcher = subprocess.Popen(
    [sys.executable, '-c', 'import sys\n'
     'from trainer.child_processes import gpu_places\n'
     'from trainer.folds import fold_processes as p\n'
     'with p.locked(sys.argv[1] + "/lock") as lock:\n'
     '  p.run_all({0: ["-c", sys.argv[2]]}, log_of=lambda n: sys.argv[1] + "/0.log",\n'
     '    where=gpu_places.Places(), lock=lock, on_start=print, on_end=print)\n',
     str(tmp_path), fold + END]
  )  # fmt: skip
  log = tmp_path / '0.log'
  while not (log.exists() and '\nup' in log.read_text()):
    time.sleep(0.05)
  launcher.send_signal(signal.SIGKILL)
  launcher.wait()
  with fold_processes.locked(str(tmp_path / 'lock')):  # Waits for the process of the fold.
    assert said(tmp_path, 0) == 'up\nsaved\n'


def test_of_two_in_one_folder_the_second_is_refused(tmp_path, monkeypatch, capsys):
  monkeypatch.setattr(fold_processes, '_LOCK_WAIT_S', 0.1)
  held = os.open(tmp_path / 'lock', os.O_RDWR | os.O_CREAT)
  fcntl.flock(held, fcntl.LOCK_EX)
  with (
    pytest.raises(errors.ConfigError, match='Another process trains in'),
    fold_processes.locked(str(tmp_path / 'lock')),
  ):
    pass
  assert 'waits' in capsys.readouterr().out
  os.close(held)
