"""Pictures: trained, judged and predicted as sounds are."""

import contextlib
import dataclasses
import io
import itertools
import json
import pathlib
import re
import shutil

import numpy as np
import PIL.Image
import pytest

import features
from exports import export_file
from schemas import command
from tests.helpers import datasets, exploring
from tfrecords import describe, manifest_file, reader
from tfrecords.wire import codec
from trainer import compare, config, evaluate, predict, run, suspects
from trainer.export import exporting
from trainer.judging import answering, prediction
from trainer.runs import runs_table, saved_run

SIZE = 20
SHAPES = ('disc', 'frame', 'stripe')
SETTINGS = f'image:height={SIZE},width={SIZE}'
SPLITS = {'train': ('p0', 'p1', 'p2', 'p3'), 'validation': ('p4',), 'test': ('p5', 'p6')}


def draw(label, rng):
  """Returns a shape of any colour, size and place on a ground of another colour, uint8 RGB."""
  rows, columns = np.mgrid[:SIZE, :SIZE]
  centre, radius = rng.uniform(7, 13, 2), rng.uniform(4, 7)
  down, right = np.abs(rows - centre[0]), np.abs(columns - centre[1])
  inside = (
    down**2 + right**2 < radius**2,
    (np.maximum(down, right) < radius) & (np.maximum(down, right) > radius - 2),
    np.abs(rows - centre[0]) < 1.5,
  )[label]
  ground, colour = rng.uniform(0, 110, 3), rng.uniform(140, 250, 3)
  picture = np.where(inside[..., np.newaxis], colour, ground) + rng.normal(0, 8, (SIZE, SIZE, 3))
  return np.clip(np.round(picture), 0, 255).astype(np.uint8)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
  """A data set of 3 shapes, 90 pictures of each painter."""
  path = tmp_path_factory.mktemp('pictures') / 'data'
  spec = features.spec('image', features.parse(SETTINGS)[1], None)
  datasets.write_dataset(
    path,
    name='shapes',
    features=(spec,),
    labels=SHAPES,
    speakers=SPLITS,
    clips_per_speaker=90,
    audio=None,
    arrays=lambda spec, label, rng: draw(label, rng),
  )
  return path


def train(data, run_dir, **settings):
  defaults = {'model': 'cnn:filters=16', 'epochs': 10, 'batch_size': 32, 'deterministic': False}
  run.train(config.TrainConfig(data=str(data), run_dir=str(run_dir), **{**defaults, **settings}))
  return str(run_dir)


@pytest.fixture(scope='module')
def trained(data, tmp_path_factory):
  """The folder of a run, and what it said."""
  said = io.StringIO()
  with contextlib.redirect_stdout(said):
    folder = train(data, tmp_path_factory.mktemp('run') / 'cnn')
  return folder, said.getvalue()


@pytest.fixture(scope='module')
def run_dir(trained):
  return trained[0]


def test_shapes_are_learned(run_dir):
  with open(saved_run.load(run_dir).folder.judgement.report_file, encoding='utf-8') as stream:
    found = json.load(stream)
  assert found['num_examples'] == 180
  assert found['accuracy'] >= 0.95


def test_pictures_are_called_pictures(trained, capsys):
  run_dir, said = trained
  assert '3 labels; pictures: train 360, validation 90, test 180' in said
  assert 'on image, 20 x 20 x 3' in said
  assert 'on 180 pictures' in said
  assert command.run(evaluate.main, [f'--run_dir={run_dir}']) == 0
  said = capsys.readouterr().out
  assert 'of 180 pictures' in said
  assert 'clips' not in said


# What is said of sounds, and of nobody who made a picture. Flags and columns have their names.
OF_SOUNDS = re.compile(
  r'(?<![-=\w])(speakers?|voices?|clips?|heard|hears?|listen\w*|audio|sounds?|spoke\w*)(?![-:=\w])',
  re.IGNORECASE,
)


def of_sounds(text):
  """Returns where a text speaks of sounds."""
  text = re.sub(r'split_by\s+speaker', '', text)  # A setting.
  return [text[max(0, found.start() - 50) : found.end() + 20] for found in OF_SOUNDS.finditer(text)]


def test_no_page_and_no_sentence_speaks_of_sounds(run_dir, tmp_path, capsys):
  assert OF_SOUNDS.search('a clip of a voice, heard') and not OF_SOUNDS.search('--folds=speaker:5')
  other = tmp_path / 'a_copy'
  other.mkdir()
  shutil.copy(pathlib.Path(run_dir) / 'predictions.parquet', other)
  page = tmp_path / 'compared.html'
  assert command.run(compare.main, [run_dir, str(other), f'--output={page}']) == 0
  assert command.run(suspects.main, [f'--run_dir={run_dir}', f'--output={tmp_path}']) == 0
  assert command.run(runs_table.main, [str(pathlib.Path(run_dir).parent)]) == 0
  said = capsys.readouterr()
  assert of_sounds(said.out) == [] == of_sounds(said.err)
  assert 'By group, those that differ most first' in said.out and 'of 2 groups' in said.out
  for path in (pathlib.Path(run_dir) / 'report.html', page, tmp_path / 'suspects.html'):
    assert of_sounds(exploring.Page(path.read_text(encoding='utf-8')).text) == [], path
  assert command.run(describe.main, [saved_run.load(run_dir).data_dir]) == 0
  said = capsys.readouterr().out
  assert of_sounds(said) == [] and 'groups' in said


def test_an_export_is_measured_on_pictures_and_its_card_speaks_of_them(
  data, run_dir, tmp_path, capsys
):
  manifest = dataclasses.replace(
    manifest_file.load(str(data)), config={'input': str(tmp_path / 'files')}
  )
  for clip in itertools.islice(stored_pictures(data), 4):
    path = tmp_path / 'files' / clip.file
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(clip.arrays['image']).save(path, 'png')
  folder = tmp_path / 'run'
  shutil.copytree(run_dir, folder)
  copy = tmp_path / 'data'
  shutil.copytree(data, copy)
  manifest_file.save(manifest, str(copy))
  config = json.loads((folder / 'config.json').read_text())
  (folder / 'config.json').write_text(json.dumps({**config, 'data_dir': str(copy)}))
  flags = [f'--run_dir={folder}', f'--output={tmp_path / "x"}', '--measure', '--measure_clips=4']
  assert command.run(exporting.main, flags) == 0
  said = capsys.readouterr().out
  assert of_sounds(said) == [] and 'ms a picture  accuracy' in said
  found = export_file.load(str(tmp_path / 'x'))
  assert found.measured['num_clips'] and found.moved_in_time is None
  card = (tmp_path / 'x' / 'MODEL_CARD.md').read_text()
  assert of_sounds(card) == [] and 'train: 360 pictures, 4 groups' in card


def stored_pictures(data):
  manifest = manifest_file.load(str(data))
  for shard in manifest.shards_of('test'):
    for encoded in reader.read_records(str(data / shard.file_name)):
      yield codec.decode(encoded, manifest.features)


def test_a_picture_file_is_predicted_as_its_record_is(data, run_dir, tmp_path):
  saved = saved_run.load(run_dir)
  model = answering.load(saved, 'best')
  files, expected = [], []
  of_records = prediction.predict_records(
    saved, model, saved.manifest, data_dir=str(data), splits=['test']
  )
  for clip, found in zip(list(stored_pictures(data))[:20], of_records, strict=False):
    assert found.name == clip.utterance_id
    files.append(str(tmp_path / f'{len(files)}.png'))
    PIL.Image.fromarray(clip.arrays['image']).save(files[-1])
    expected.append(found.logits)
  found = [p.logits for p in prediction.predict_files(saved, model, files)]
  np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_command_names_what_is_no_picture(data, run_dir, tmp_path, capsys):
  clip = next(stored_pictures(data))
  PIL.Image.fromarray(clip.arrays['image']).resize((64, 64)).save(tmp_path / 'a.png')
  (tmp_path / 'b.png').write_bytes(b'no picture')
  argv = [f'--run_dir={run_dir}', '--top=1', str(tmp_path / 'a.png'), str(tmp_path / 'b.png')]
  assert command.run(predict.main, argv) == 2
  said = capsys.readouterr()
  assert said.out.startswith(f'{tmp_path / "a.png"}: {SHAPES[clip.label]} ')
  assert said.err.startswith(f'{tmp_path / "b.png"}: ')
  assert 'error: 1 of 2 files could not be used' in said.err
