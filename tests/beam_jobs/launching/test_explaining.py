"""From what a runner raises to what the user is told."""

import pytest

from beam_jobs import explore, featurize
from beam_jobs.launching import explaining
from beam_jobs.processes import side_channel


def test_an_interrupt_that_beam_made_an_error_of_is_an_interrupt_again():
  with pytest.raises(KeyboardInterrupt), explaining.explaining(side_channel.SideChannel()):
    try:
      raise KeyboardInterrupt
    except KeyboardInterrupt as interrupt:
      raise RuntimeError("KeyboardInterrupt [while running 'Write']") from interrupt


@pytest.mark.parametrize(
  ('program', 'sentence'),
  [
    (featurize, 'interrupted: run the same command again, whole shards are kept.\n'),
    (explore, 'interrupted: no page was written, run the same command again.\n'),
  ],
)
def test_programs_say_what_to_do_after_an_interrupt(program, sentence, monkeypatch, capsys):
  def interrupted(argv):
    raise KeyboardInterrupt

  monkeypatch.setattr(program, 'main', interrupted)
  assert program.run() == 130
  assert capsys.readouterr().err == sentence
