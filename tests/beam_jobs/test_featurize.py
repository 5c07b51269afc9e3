"""The whole job on real files, in process and in worker processes."""

import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from beam_jobs import featurize
from schemas import command, rejects
from tests.beam_jobs import corpora
from tfrecords import manifest_file, reader
from tfrecords.wire import codec

ROOT = pathlib.Path(__file__).parent.parent.parent


def featurized(*args):
  assert command.run(featurize.main, corpora.argv(*args)) == 0
  return args[1]


def digests(folder):
  """Digest of every file of a data set by name, without the job's own notes."""
  return {
    path.name: hashlib.sha256(path.read_bytes()).hexdigest()
    for path in folder.iterdir()
    if path.is_file()
  }


def records(folder, split):
  manifest = manifest_file.load(str(folder))
  for shard in manifest.shards_of(split):
    for data in reader.read_records(str(folder / shard.file_name)):
      yield codec.decode(data, manifest.features)


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
  return corpora.make_words(tmp_path_factory.mktemp('corpus'))


@pytest.fixture(scope='module')
def data(corpus, tmp_path_factory):
  return featurized(corpus, tmp_path_factory.mktemp('data'))


def test_every_clip_is_there_once_with_its_label_and_speaker(corpus, data):
  manifest = manifest_file.load(str(data))
  found = {}
  for split in manifest.split_names():
    for record in records(data, split):
      assert record.utterance_id not in found
      found[record.utterance_id] = (manifest.labels[record.label], record.speaker_id)
  expected = {
    path.relative_to(corpus).as_posix(): (path.parent.name, path.stem.partition('_')[0])
    for path in corpus.rglob('*.wav')
  }
  assert found == expected


def test_the_manifest_agrees_with_the_records(data):
  manifest = manifest_file.load(str(data))
  assert manifest.labels == corpora.WORDS
  assert manifest.split_names() == ('train', 'validation', 'test')
  for split in manifest.split_names():
    found = list(records(data, split))
    assert manifest.num_records(split) == len(found)
    assert manifest.num_speakers[split] == len({record.speaker_id for record in found})
    counts = np.bincount([record.label for record in found], minlength=2)
    assert manifest.label_counts(split) == tuple(counts)
  assert sum(shard.audio_s for shard in manifest.shards) == pytest.approx(48 * 0.4)
  assert manifest.rejects == {}


def test_the_statistics_are_those_of_the_train_records(data):
  manifest = manifest_file.load(str(data))
  values = np.concatenate([r.arrays['log_mel'] for r in records(data, 'train')]).astype(np.float64)
  statistics = manifest.statistics['log_mel']
  assert statistics.count == len(values)
  # The records are rounded to float16, the statistics are of what was rounded.
  np.testing.assert_allclose(statistics.mean, values.mean(axis=0), atol=1e-3)
  np.testing.assert_allclose(statistics.variance, values.var(axis=0), rtol=2e-3)


def test_no_speaker_is_in_two_splits(data):
  speakers = [
    {record.speaker_id for record in records(data, split)}
    for split in ('train', 'validation', 'test')
  ]
  assert len(set.union(*speakers)) == sum(map(len, speakers)) == len(corpora.SPEAKERS)


def test_a_shard_is_not_in_the_order_of_the_files(data):
  ids = [record.utterance_id for record in records(data, 'train')]
  assert ids != sorted(ids)


def test_padding_is_counted(data):
  assert {record.num_samples for record in records(data, 'test')} == {3_200}


def test_threads_of_beams_own_runner_write_the_same_bytes(corpus, data, tmp_path):
  argv = ['--direct_num_workers=2', '--direct_running_mode=multi_threading']
  assert digests(featurized(corpus, tmp_path / 'out', *argv)) == digests(data)


def test_another_order_of_the_folder_gives_the_same_bytes(corpus, data, tmp_path, monkeypatch):
  class Shuffled(list):
    def __enter__(self):
      return self

    def __exit__(self, *exc):
      pass

  scandir = os.scandir

  def shuffled(path='.'):
    with scandir(path) as entries:
      found = sorted(entries, key=lambda entry: entry.name)
    random.Random(3).shuffle(found)
    return Shuffled(found)

  monkeypatch.setattr(os, 'scandir', shuffled)
  assert digests(featurized(corpus, tmp_path / 'out')) == digests(data)


def test_another_seed_gives_another_order(corpus, data, tmp_path):
  other = featurized(corpus, tmp_path / 'out', '--seed=1')
  shards = {name: digest for name, digest in digests(other).items() if 'tfrecord' in name}
  assert shards and not shards.items() & digests(data).items()


def run_with_hook(tmp_path, argv, action):
  """Runs the job as a program; in its workers `action` runs whenever a module `name` is imported.

  Python imports sitecustomize.py at its start, in every process.
  """
  (tmp_path / 'sitecustomize.py').write_text(
    f"""
import os, signal, sys
class Hook:
  def find_spec(self, name, path=None, target=None):
    if '.' not in name and 'beam_jobs.launching.local_worker' in sys.orig_argv:
      {action}
sys.meta_path.insert(0, Hook())
"""
  )
  environment = {**os.environ, 'PYTHONPATH': f'{tmp_path}:{ROOT}'}
  command_line = [sys.executable, '-m', 'beam_jobs.featurize', *argv]
  return subprocess.run(
    command_line, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
  )


def test_workers_import_no_tensorflow_and_write_the_same_bytes(corpus, data, tmp_path):
  notes = tmp_path / 'notes'
  notes.mkdir()
  note = f"print(name, file=open(os.path.join({str(notes)!r}, str(os.getpid())), 'a'))"
  argv = corpora.argv(corpus, tmp_path / 'out', '--workers=2')
  assert run_with_hook(tmp_path, argv, note).returncode == 0
  assert digests(tmp_path / 'out') == digests(data)
  workers = [set(path.read_text().split()) for path in notes.iterdir()]
  assert len(workers) == 2
  # The control: workers did compute features.
  assert all({'scipy', 'features', 'google_crc32c'} <= names for names in workers)
  assert not set.union(*workers) & {'tensorflow', 'keras', 'tensorflow_datasets', 'librosa'}


def test_a_rerun_takes_over_whole_shards_and_mends_the_rest(corpus, data, tmp_path):
  output = tmp_path / 'out'
  shutil.copytree(data, output)
  shards = sorted(output.glob('*.tfrecord-*'))
  broken, kept = shards[0], shards[1:]
  broken.write_bytes(broken.read_bytes()[:-1])
  (output / 'manifest.json').unlink()
  before = {path: path.stat().st_mtime_ns for path in kept}
  featurized(corpus, output)
  assert digests(output) == digests(data)
  assert {path: path.stat().st_mtime_ns for path in kept} == before


def test_a_new_clip_changes_its_shard_and_leaves_no_stale_file(corpus, data, tmp_path):
  changed = tmp_path / 'corpus'
  shutil.copytree(corpus, changed)
  output = featurized(changed, tmp_path / 'out')
  for take in range(40):
    corpora.write_wav(changed / 'yes' / f'ann_{take + 10}.wav', seed=take)
  (output / 'file_names-train.tfrecord-00000-of-00099').write_bytes(b'stale')
  featurized(changed, output)
  manifest = manifest_file.load(str(output))
  assert sum(map(manifest.num_records, manifest.split_names())) == 48 + 40
  names = {path.name for path in output.glob('*.tfrecord-*')}
  assert names == {shard.file_name for shard in manifest.shards}


def test_overwrite_throws_other_settings_away(corpus, data, tmp_path):
  output = tmp_path / 'out'
  shutil.copytree(data, output)
  featurized(corpus, output, '--name=other', '--overwrite')
  assert {path.name.partition('-')[0] for path in output.glob('*.tfrecord-*')} == {'other'}


def test_a_large_speaker_fills_shards_of_its_own(tmp_path):
  for take in range(200):
    corpora.write_wav(tmp_path / 'in' / 'yes' / f'ann_{take}.wav', seconds=0.1, seed=take)
  output = featurized(tmp_path / 'in', tmp_path / 'out')
  manifest = manifest_file.load(str(output))
  assert len(manifest.shards_of('train')) == 200 // 32
  assert manifest.num_speakers == {'train': 1}


# Bad input.


@pytest.fixture
def bad_corpus(tmp_path):
  root = corpora.make_words(tmp_path / 'corpus', takes=10)
  (root / 'yes' / 'ann_20.wav').write_bytes(b'')
  (root / 'yes' / 'ann_21.wav').write_text('this is no audio')
  whole = (root / 'yes' / 'ann_1.wav').read_bytes()
  (root / 'yes' / 'ann_22.wav').write_bytes(whole[: len(whole) // 2])
  (root / 'yes' / 'ann_23.wav').write_bytes(whole[:40] + b'\0\0\0\0')
  (root / 'yes' / 'ann_24.wav').mkdir()
  (root / 'yes' / 'ann_25.wav').symlink_to('nowhere.wav')
  (root / 'yes' / 'ann.wav').write_bytes(whole)
  noise = np.random.default_rng(0).normal(0, 0.1, (48_000, 8)).astype(np.float32)
  holes = np.where(noise[:, 0] > 0.3, np.nan, noise[:, 0])
  soundfile.write(root / 'yes' / 'ann_26.wav', holes, 8_000, subtype='FLOAT')
  # Odd, but fit for use: these are no rejects.
  soundfile.write(root / 'yes' / 'ann_30.wav', noise, 8_000)
  soundfile.write(root / 'yes' / 'ann_31.wav', noise[:, 0], 8_000, subtype='PCM_24')
  soundfile.write(root / 'yes' / 'ann_32.wav', noise[:, 0], 96_000)
  soundfile.write(root / 'yes' / 'ann_33.wav', np.zeros(8_000), 8_000)
  return root


REASONS = {
  'yes/ann.wav': 'bad_name',
  'yes/ann_20.wav': 'empty',
  'yes/ann_21.wav': 'not_audio',
  'yes/ann_22.wav': 'truncated',
  'yes/ann_23.wav': 'no_samples',
  'yes/ann_24.wav': 'not_a_file',
  'yes/ann_25.wav': 'missing',
  'yes/ann_26.wav': 'not_finite',
}


def check_rejects(output):
  manifest = manifest_file.load(str(output))
  assert sum(map(manifest.num_records, manifest.split_names())) == 124
  lines = [json.loads(line) for line in (output / 'rejects.jsonl').read_text().splitlines()]
  assert {line['utterance_id']: line['reason'] for line in lines} == REASONS
  assert all(line['detail'] and line['advice'] and line['uri'] for line in lines)
  assert manifest.rejects == dict.fromkeys(sorted(REASONS.values()), 1)
  assert manifest.noted == (rejects.Noted(reason='silent', names=('yes/ann_33.wav',)),)


def test_bad_files_are_left_out_counted_and_listed(bad_corpus, tmp_path):
  check_rejects(featurized(bad_corpus, tmp_path / 'out', '--max_reject_fraction=0.1'))


@pytest.mark.parametrize('workers', ['--workers=0', '--workers=2'])
def test_too_many_bad_files_fail_the_job_with_the_table_of_reasons(
  bad_corpus, tmp_path, capfd, workers
):
  output = tmp_path / 'out'
  argv = corpora.argv(bad_corpus, output, '--max_reject_fraction=0.01', workers)
  assert command.run(featurize.main, argv) == 2
  said = capfd.readouterr().err
  assert '8 of 132 clips were rejected, more than --max_reject_fraction=0.01' in said
  assert '1  truncated' in said and 'Copy it again' in said
  assert 'Traceback' not in said
  assert not (output / 'manifest.json').exists()
  # The same command with a higher limit finishes from the shards that are there: what the
  # processes have found is in their notes.
  check_rejects(featurized(bad_corpus, output, '--max_reject_fraction=0.1'))


def test_clips_that_are_too_short_can_be_refused(corpus, tmp_path, capfd):
  argv = corpora.argv(corpus, tmp_path / 'out', '--min_clip_seconds=0.45')
  assert command.run(featurize.main, argv) == 2
  assert '48 of 48 clips were rejected' in capfd.readouterr().err


def refused(capfd, *argv):
  assert command.run(featurize.main, argv) == 2
  said = capfd.readouterr().err
  assert said.startswith('error: ') and 'Traceback' not in said
  return said


def test_a_missing_corpus_is_a_sentence(tmp_path, capfd):
  said = refused(capfd, *corpora.argv(tmp_path / 'none', tmp_path / 'out'))
  assert f'There is no folder {tmp_path / "none"}' in said


def test_a_corpus_without_audio_is_a_sentence(tmp_path, capfd):
  (tmp_path / 'empty').mkdir()
  said = refused(capfd, *corpora.argv(tmp_path / 'empty', tmp_path / 'out'))
  assert 'There is no audio file below' in said


def test_what_a_worker_process_finds_wrong_is_one_line(tmp_path):
  (tmp_path / 'empty').mkdir()
  argv = corpora.argv(tmp_path / 'empty', tmp_path / 'out', '--workers=1')
  command_line = [sys.executable, '-m', 'beam_jobs.featurize', *argv]
  done = subprocess.run(command_line, cwd=ROOT, capture_output=True, text=True, check=False)
  assert done.returncode == 2
  # Beam 2.72, of requirements/tfio.txt, misses what nobody needs; slow machines say how far it is.
  others = 'WARNING:root:crcmod package not found', 'listing the corpus and starting the workers'
  (said,) = (line for line in done.stderr.splitlines() if not line.startswith(others))
  assert said.startswith('error: There is no audio file below')


def test_other_settings_on_an_old_folder_are_spelled_out(corpus, data, capfd):
  said = refused(capfd, *corpora.argv(corpus, data, '--clip_seconds=0.25'))
  assert 'audio: clip_s was 0.5, now 0.25.' in said
  assert '--overwrite' in said


def test_a_foreign_folder_is_left_alone(corpus, tmp_path, capfd):
  (tmp_path / 'thesis.docx').write_text('years of work')
  for more in ((), ('--overwrite',)):
    said = refused(capfd, *corpora.argv(corpus, tmp_path, *more))
    assert "it holds 'thesis.docx'" in said
  assert (tmp_path / 'thesis.docx').exists()


def test_an_output_that_is_a_file_is_a_sentence(corpus, tmp_path, capfd):
  (tmp_path / 'out').write_text('')
  said = refused(capfd, *corpora.argv(corpus, tmp_path / 'out'))
  assert 'cannot be used as a folder' in said


def test_a_split_that_no_clip_fits_is_a_sentence(corpus, tmp_path, capfd):
  argv = corpora.argv(corpus, tmp_path / 'out', '--split_by=speaker:test=anne')
  assert "no clip has speaker 'anne'. Did you mean 'ann'" in refused(capfd, *argv)


def test_an_unknown_runner_is_a_sentence(corpus, tmp_path, capfd):
  said = refused(capfd, *corpora.argv(corpus, tmp_path / 'out', '--runner=FilnkRunner'))
  assert '--runner=FilnkRunner is no runner that can be used' in said and 'FlinkRunner' in said
  assert not (tmp_path / 'out').exists()


def test_a_runner_that_fails_is_a_sentence(corpus, tmp_path, capfd):
  argv = ['--runner=FlinkRunner', '--flink_job_server_jar=/nowhere.jar']
  said = refused(capfd, *corpora.argv(corpus, tmp_path / 'out', *argv))
  assert '--runner=FlinkRunner did not run the job' in said


def test_another_runner_of_beam_writes_the_same_bytes(corpus, data, tmp_path):
  argv = ['--runner=PortableRunner', '--job_endpoint=embed', '--environment_type=LOOPBACK']
  assert digests(featurized(corpus, tmp_path / 'out', *argv)) == digests(data)


def test_debug_shows_the_traceback(tmp_path, capfd):
  argv = corpora.argv(tmp_path / 'none', tmp_path / 'out', '--debug')
  assert command.run(featurize.main, argv) == 2
  assert 'Traceback' in capfd.readouterr().err


def test_help_goes_to_stdout(capsys):
  assert command.run(featurize.main, ['--help']) == 0
  assert '--split_by' in capsys.readouterr().out
