"""The job, the page and a reader of one file on what only FFmpeg reads, with and without it."""

import importlib.metadata
import json

import numpy as np
import pytest

from beam_jobs import featurize
from beam_jobs.exploration import sound as sound_lib
from features.decoding import ffmpeg
from schemas import command
from tests.beam_jobs import corpora
from tfrecords import manifest_file

media_files = pytest.importorskip('tests.helpers.media_files')

NAMES = ('m4a', 'webm', 'wma', 'amr')


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
  root = corpora.make_words(tmp_path_factory.mktemp('corpus'), takes=1)
  for i, name in enumerate(NAMES):
    rate_hz = media_files.CODINGS[name][2]
    tone = 0.4 * np.sin(np.arange(rate_hz // 2) * 2_000 / rate_hz).astype(np.float32)
    (root / 'yes' / f'ann_{10 + i}.{name}').write_bytes(media_files.encoded(name, tone))
  (root / 'no' / 'ann_20.dat').write_bytes(media_files.encoded('wavpack', tone))
  (root / 'no' / 'ann_21.txt').write_text('notes')
  return root


def run(root, output, *more):
  code = command.run(featurize.main, corpora.argv(root, output, *more))
  return code, manifest_file.load(str(output)) if code == 0 else None


def rejected(output):
  lines = (output / 'rejects.jsonl').read_text().splitlines()
  return {line['utterance_id']: line for line in map(json.loads, lines)}


@pytest.fixture
def argv_of_any_ending(monkeypatch):
  pattern = '--source=folders:speaker_pattern=([a-z]+)_[0-9]+'
  monkeypatch.setattr(
    corpora,
    'argv',
    lambda *args, argv=corpora.argv: [
      pattern if word.startswith('--source=') else word for word in argv(*args)
    ],
  )


def test_every_file_is_a_clip(corpus, tmp_path, argv_of_any_ending):
  code, manifest = run(corpus, tmp_path / 'data')
  assert code == 0
  assert sum(shard.num_records for shard in manifest.shards) == 12 + len(NAMES)
  assert not manifest.rejects
  assert manifest.versions['av'] == importlib.metadata.version('av')
  code, manifest = run(corpus, tmp_path / 'all', '--all_files')
  assert sum(shard.num_records for shard in manifest.shards) == 13 + len(NAMES)


def test_without_ffmpeg_they_are_rejects_and_the_same_command_takes_them_later(
  corpus, tmp_path, argv_of_any_ending, monkeypatch, capsys
):
  with monkeypatch.context() as patched:
    patched.setattr(ffmpeg, 'is_installed', lambda: False)
    code, manifest = run(corpus, tmp_path / 'data', '--max_reject_fraction=0.5')
  assert code == 0
  assert manifest.rejects == {'no_decoder': len(NAMES)}
  assert {note.what: note.count for note in manifest.noted if note.reason == 'no_decoder'} == {
    f'.{name}': 1 for name in NAMES
  }
  said = capsys.readouterr().err
  assert 'No decoder for 1 .amr, 1 .m4a, 1 .webm, 1 .wma files: they will be rejects.' in said
  for line in rejected(tmp_path / 'data').values():
    assert "pip install 'voxshard[media]'" in line['advice']
  code, manifest = run(corpus, tmp_path / 'data', '--max_reject_fraction=0.5')
  assert sum(shard.num_records for shard in manifest.shards) == 12 + len(NAMES)


def test_a_clip_that_takes_too_long_is_named(corpus, tmp_path, argv_of_any_ending):
  code, manifest = run(corpus, tmp_path / 'data', '--max_decode_s=0.001', '--max_reject_fraction=1')
  slow = [line for line in rejected(tmp_path / 'data').values() if line['reason'] == 'too_slow']
  assert slow
  assert all(line['utterance_id'].startswith('yes/ann_1') for line in slow)
  assert '--max_decode_s' in slow[0]['advice']


@pytest.mark.parametrize('name', NAMES)
def test_the_page_measures_them(corpus, name):
  path = corpus / 'yes' / f'ann_{10 + NAMES.index(name)}.{name}'
  with open(path, 'rb') as stream:
    sound = sound_lib.decode(stream)
  assert sound.sample_rate_hz == media_files.CODINGS[name][2]
  assert sound.seconds == pytest.approx(0.5, abs=0.1)
  assert len(sound.frames) == round(sound.seconds * sound.sample_rate_hz)
  assert sound.coding.partition(', ')[2]
