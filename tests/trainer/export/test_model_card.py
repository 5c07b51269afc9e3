"""MODEL_CARD.md and --measure: what is said of an export, and that its code runs."""

import json
import re

import pytest
import soundfile

import features
from exports import export_file
from schemas import audio as audio_schema
from tests.helpers import datasets, made_runs, signals
from trainer.export import exporting, formats, split_clips
from trainer.export.card import measured, model_card

HOSTILE = ('<script>alert(1)</script>', '| a | `b`\n# c [d](javascript:e)', '\x1b[31mred', 'zero')
AUDIO = audio_schema.AudioSpec(sample_rate_hz=8_000, clip_s=0.3)


def report_of(labels):
  return {
    'examples': 'clips', 'split': 'test', 'num_examples': 40, 'num_speakers': 12,
    'accuracy': 0.9, 'accuracy_interval_95': {'low': 0.81, 'high': 0.95},
    'interval_note': 'The interval is over 12 voices.',
    'averages': {'macro': {'f1': 0.88}}, 'macro_f1_interval_95': {'low': 0.8, 'high': 0.93},
    'majority_baseline': {'label': labels[0], 'accuracy': 0.25},
    'calibration': {'ece': 0.043, 'temperature': 1.6, 'calibrated': {'ece': 0.021}, 'note': ''},
    'labels': [
      {'label': label, 'num_examples': 10, 'recall': 0.7 + 0.05 * i, 'precision': 0.9}
      for i, label in enumerate(labels)
    ],
  }  # fmt: skip


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """An export in three formats, with a card of a run whose labels are hostile."""
  home = tmp_path_factory.mktemp('card')
  run = made_runs.make(
    home / 'run', audio=AUDIO, labels=HOSTILE, model='linear', feature='log_mel:num_mels=20'
  )
  with open(run.folder.judgement.report_file, 'w', encoding='utf-8') as stream:
    json.dump(report_of(HOSTILE), stream)
  names = [name for name in formats.FORMATS if name != export_file.LITERT_INT8]
  exporting.write(
    exporting.make(run), str(home / 'x'), names, overwrite=False, licence='CC-BY-4.0 <b>'
  )
  return home / 'x'


def test_it_tells_numbers_limits_and_licence(folder):
  text = (folder / 'MODEL_CARD.md').read_text()
  for said in (
    'Accuracy: 90.0 % (95 % interval 81.0 % to 95.0 %)',
    'Macro F1: 0.880 (0.800 to 0.930)',
    'error: 4.3 %, and 2.1 % at the temperature 1.6',
    '8,000 Hz',
    'answers everything with one of its labels',
    'CC-BY-4.0 &lt;b&gt;',
    '`model.tflite`',
  ):
    assert said in text
  assert export_file.load(str(folder)).licence == 'CC-BY-4.0 <b>'


def test_no_label_becomes_a_tag_a_heading_or_a_cell(folder):
  text = (folder / 'MODEL_CARD.md').read_text()
  assert len((folder / 'labels.txt').read_text().splitlines()) == len(HOSTILE)
  assert '<' not in text and '\x1b' not in text and '](' not in re.sub(r'\\.', '', text)
  assert not [line for line in text.splitlines() if line.startswith('# c')]
  tables = [line for line in text.splitlines() if 'script' in line and line.startswith('|')]
  assert all(len(re.findall(r'(?<!\\)\|', line)) == 5 for line in tables) and tables


def test_its_code_runs(folder, monkeypatch, capsys):
  monkeypatch.chdir(folder)
  blocks = re.findall(r'^```python\n(.*?)^```', (folder / 'MODEL_CARD.md').read_text(), re.M | re.S)
  assert len(blocks) == 6
  for block in blocks:
    exec(compile(block, 'MODEL_CARD.md', 'exec'), {})
  assert len(capsys.readouterr().out.splitlines()) >= 5


def test_without_a_report_it_says_so(tmp_path):
  run = made_runs.make(tmp_path / 'run', audio=AUDIO, model='linear')
  made = exporting.make(run)
  found = exporting.write(
    made, str(tmp_path / 'x'), [export_file.KERAS], overwrite=False, measure_clips=5
  )
  text = (tmp_path / 'x' / 'MODEL_CARD.md').read_text()
  assert 'it was not judged' in text and 'not stated' in text
  # Nor is its data set there: what can be measured is.
  assert found.measured['note'].startswith('Accuracy was not measured:')
  assert found.measured['formats']['keras'].keys() == {'num_bytes', 'median_ms'}
  with open(run.folder.judgement.report_file, 'w', encoding='utf-8') as stream:
    json.dump({'accuracy': 'high', 'dataset_warnings': 5}, stream)
  assert 'cannot be read' in model_card.text(made, str(tmp_path / 'x'), licence='')


def test_formats_are_measured_on_the_files_of_the_test_split(tmp_path, capsys):
  corpus = tmp_path / 'corpus'
  corpus.mkdir()
  spec = features.spec(*features.parse('log_mel:num_mels=16'), datasets.AUDIO)
  dataset = datasets.write_dataset(
    tmp_path / 'data', features=[spec], clips_per_speaker=2, config={'input': str(corpus)}
  )
  run = made_runs.make(
    tmp_path / 'run', audio=datasets.AUDIO, dataset=dataset, data_dir=tmp_path / 'data'
  )
  records = list(split_clips.load(run).records('test', 10))
  assert len(records) == 4
  for i, one in enumerate(records[:3]):  # The fourth is gone.
    path = corpus / one.file
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * signals.noise(4_000, seed=i), 8_000)
  exporting.main(
    [f'--run_dir={run.folder.path}', f'--output={tmp_path / "x"}', '--format=keras,litert',
     '--measure', '--measure_clips=10']
  )  # fmt: skip
  found = export_file.load(str(tmp_path / 'x')).measured
  said = capsys.readouterr().out
  assert 'note: 1 clip left out' in said and said.splitlines()[-1].endswith('(keras, litert)')
  assert found['num_clips'] == 3
  assert found['note'] == '1 clip left out: the files are not there any more.'
  for one in found['formats'].values():
    assert one['median_ms'] > 0 and one['num_bytes'] > 1_000
    assert one['difference_to_run'] == pytest.approx(one['accuracy'] - found['run_accuracy'])
  rows = measured.lines(found, 'audio')
  assert rows[0][3:] == ['accuracy', 'to the run'] and [row[0] for row in rows[1:]] == [
    'keras', 'litert',
  ]  # fmt: skip
  assert json.loads((tmp_path / 'x' / 'export.json').read_text())['measured'] == found
