import pytest

from tests.trainer.sweep import starts
from trainer import sweep
from trainer.sweep import sweeping


@pytest.fixture
def _quick(monkeypatch):
  monkeypatch.chdir(starts.ROOT)
  monkeypatch.setattr(sweeping, '_POLL_S', 0.01)
  monkeypatch.setattr(sweeping, '_WAIT_S', 0.02)


@pytest.fixture
def swept(_quick, data_dir, tmp_path):
  """Sweeps as the program does; with `start`, what is called in place of a trial's process."""

  def run(*flags, passed=(), output='out', start=starts.pretend):
    own = (f'--output={tmp_path / output}', f'--data={data_dir}', *flags)
    config, passed = sweep.parse([*own, '--', '--epochs=3', *passed])
    space = sweep.asked_space.make(config.over, passed)
    sweep._check_output(config.output)
    return sweep.sweep(config, *sweep.looked_up.look(space), start=start)

  return run
