"""Files of runs that are damaged: who shows them takes them for none, who needs them refuses."""

import json

import pytest

from schemas import errors
from trainer.runs import run_folder, tolerant_json
from trainer.sweep import objective, standings

DAMAGED = ('{"acc', '[' * 100_000, '\x00', '3', '[3]')


@pytest.mark.parametrize('text', [*DAMAGED, '{}'])
def test_a_damaged_history_is_none_to_who_shows_it_and_refused_by_who_needs_it(tmp_path, text):
  folder = run_folder.RunFolder(str(tmp_path))
  with pytest.raises(errors.ConfigError, match='There is no .*history.json'):
    folder.read_history()
  (tmp_path / 'history.json').write_text(text)
  damage = []
  assert tolerant_json.epochs(folder.history_file, damage) == []
  assert len(damage) == 1 and damage[0].startswith('history.json is ')
  followed = objective.Epochs(str(tmp_path), 'accuracy')
  assert followed.new() == [] and followed.best() is None
  with pytest.raises(errors.ConfigError, match='history.json. is damaged: '):
    folder.num_epochs_done()


@pytest.mark.parametrize('text', DAMAGED)
def test_a_damaged_report_is_none_to_a_sweep(tmp_path, text):
  path = tmp_path / 'report.json'
  assert standings._test(str(path)) is None
  path.write_text(text)
  assert standings._test(str(path)) is None and tolerant_json.fields(str(path)) == {}
  path.write_text(json.dumps({'accuracy': 0.5, 'loss': 1.0}))
  assert standings._test(str(path)) is None
