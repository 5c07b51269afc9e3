"""The two commands together, on pictures and on clips of any length, up to the predictions."""

import csv
import json

import numpy as np
import pytest
import soundfile
from PIL import Image, ImageDraw

from beam_jobs import featurize
from schemas import command
from trainer import __main__ as trainer_program
from trainer import predict

SHAPES = ('disc', 'square', 'triangle')
PAINTERS = tuple(f'p{i}' for i in range(8))
SIZE = 48


def paint(shape, rng):
  """Returns a shape of any colour, size and place on a ground of another, with noise."""
  ground, colour = rng.integers(0, 110, 3), rng.integers(140, 256, 3)
  picture = Image.new('RGB', (SIZE, SIZE), tuple(map(int, ground)))
  draw = ImageDraw.Draw(picture)
  radius = rng.uniform(9, 15)
  x, y = rng.uniform(radius, SIZE - radius, 2)
  fill = tuple(map(int, colour))
  if shape == 'disc':
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
  elif shape == 'square':
    draw.rectangle((x - radius, y - radius, x + radius, y + radius), fill=fill)
  else:
    draw.polygon([(x - radius, y + radius), (x + radius, y + radius), (x, y - radius)], fill=fill)
  noise = rng.normal(0, 6, (SIZE, SIZE, 3))
  return Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
  root = tmp_path_factory.mktemp('pictures')
  rng = np.random.default_rng(0)
  for shape in SHAPES:
    for painter in PAINTERS:
      (root / shape / painter).mkdir(parents=True)
      for i in range(30):
        ending = ('png', 'jpg', 'bmp')[i % 3]
        paint(shape, rng).save(root / shape / painter / f'{i}.{ending}')
  return root


def run(main, *arguments):
  assert command.run(main, list(arguments)) == 0


def test_pictures_of_shapes_are_told_apart(pictures, tmp_path, capsys):
  data, run_dir = tmp_path / 'data', tmp_path / 'run'
  run(
    featurize.main, '--source=images:speaker_level=1', f'--input={pictures}', f'--output={data}',
    '--feature=image:height=32,width=32', '--workers=0', '--notfds_metadata',
  )  # fmt: skip
  run(
    trainer_program.main, f'--data={data}', f'--run_dir={run_dir}', '--model=cnn:filters=16',
    '--epochs=20', '--batch_size=32', '--nodeterministic',
  )  # fmt: skip
  report = json.loads((run_dir / 'report.json').read_text())
  assert report['accuracy'] >= 0.95
  # A file that the data job has never seen, of another size, by its path.
  stranger = tmp_path / 'stranger.png'
  paint('square', np.random.default_rng(9)).resize((200, 200)).save(stranger)
  capsys.readouterr()
  run(predict.main, f'--run_dir={run_dir}', '--format=csv', '--top=1', str(stranger))
  (line,) = csv.DictReader(capsys.readouterr().out.splitlines())
  assert line['label_1'] == 'square'


def write_tone(path, *, rises, seconds, seed):
  """Writes a tone that rises or falls by an octave, however long it is."""
  path.parent.mkdir(parents=True, exist_ok=True)
  rng = np.random.default_rng(seed)
  place = np.linspace(0, 1, int(8_000 * seconds))
  octave = place if rises else 1 - place
  hz = rng.uniform(300, 500) * 2**octave
  tone = 0.4 * np.sin(2 * np.pi * np.cumsum(hz) / 8_000)
  soundfile.write(path, tone + 0.01 * rng.standard_normal(len(tone)), 8_000)


def test_clips_of_any_length_and_without_labels(tmp_path, capsys):
  rng = np.random.default_rng(1)
  for speaker in range(12):
    for take in range(12):
      write_tone(
        tmp_path / 'corpus' / ('up' if take % 2 else 'down') / f's{speaker}_{take}.wav',
        rises=take % 2 == 1,
        seconds=rng.uniform(0.2, 0.9),
        seed=100 * speaker + take,
      )
  for i in range(6):
    write_tone(tmp_path / 'fresh' / f'{i}.wav', rises=i < 3, seconds=0.3 + 0.1 * i, seed=i)
  same = (
    '--sample_rate_hz=8000',
    '--clip_seconds=0',
    '--feature=log_mel:num_mels=40',
    '--workers=0',
  )
  run(
    featurize.main, '--source=folders:speaker_pattern=^(s[0-9]+)', *same,
    f'--input={tmp_path / "corpus"}', f'--output={tmp_path / "data"}',
  )  # fmt: skip
  run(
    featurize.main, '--source=unlabelled', *same,
    f'--input={tmp_path / "fresh"}', f'--output={tmp_path / "unlabelled"}',
  )  # fmt: skip
  run(
    trainer_program.main, f'--data={tmp_path / "data"}', f'--run_dir={tmp_path / "run"}',
    '--model=cnn:filters=16', '--epochs=25', '--batch_size=16', '--nodeterministic', '--patience=0',
  )  # fmt: skip
  capsys.readouterr()
  run(
    predict.main, f'--run_dir={tmp_path / "run"}', f'--data={tmp_path / "unlabelled"}',
    '--format=submission',
  )  # fmt: skip
  lines = list(csv.DictReader(capsys.readouterr().out.splitlines()))
  said = {line['fname']: line['label'] for line in lines}
  assert said == {f'{i}.wav': 'up' if i < 3 else 'down' for i in range(6)}
