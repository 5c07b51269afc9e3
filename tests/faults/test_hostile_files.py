"""4,000 damaged and hostile files: each a clip or a reject, in little memory, and the job ends."""

import json
import os
import resource
import subprocess
import sys

import numpy as np
import pytest

from features.decoding import clips
from schemas import audio, rejects
from tests.beam_jobs import corpora
from tests.faults import conftest, jobs, mutations
from tests.helpers import media_files, wav_files
from tfrecords import manifest_file, reader, verify
from tfrecords.wire import codec

pytestmark = pytest.mark.faults

MIB = 1 << 20
# What a file may take in memory, besides its own bytes and those of the clip.
BLOCK_BYTES = 32 * MIB
# What FFmpeg's libraries take in a process, once a file needs them.
FFMPEG_BYTES = 40 * MIB
# What trimming holds, at most: see features.decoding.clips.MAX_TRIM_FRAMES.
TRIM_BYTES = 384 * MIB
CLIP_BYTES = 60 * 16_000 * 4 * 4  # The longest clip, in the stages of its making.
FILE_CPU_S = 20  # The worst is to count 115 million frames of a stream that does not say how many.

# Runs a program and prints, last, the most memory of it and of the workers that it waited for.
MEASURE = """
import os, subprocess, sys
_, status, usage = os.wait4(subprocess.Popen(sys.argv[1:]).pid, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""

# Files by their names: all, and those of the formats of libsndfile.
ALL, OLD = '*.wav', '*_[0-9]*.wav'
SETTINGS = {
  'fixed': (ALL, {}, BLOCK_BYTES),
  'end, resampled': (OLD, {'position': 'end', 'sample_rate_hz': 11_025}, BLOCK_BYTES),
  'variable': (ALL, {'clip_s': 0.0}, BLOCK_BYTES + CLIP_BYTES),
  'trimmed': (OLD, {'trim_db': 40.0}, BLOCK_BYTES + TRIM_BYTES),
}


def decoded(folder, settings, reserve_bytes, *, pattern=ALL):
  """Decodes all files in one process of limited memory; returns what it says of each."""
  command = [sys.executable, '-m', 'tests.faults.decode_all', str(folder), pattern]
  done = subprocess.run(
    [*command, json.dumps(settings), str(reserve_bytes)],
    cwd=jobs.ROOT, capture_output=True, text=True, check=False, timeout=1_200,
  )  # fmt: skip
  assert done.returncode == 0, (done.stdout[-500:], done.stderr[-2_000:])
  return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize('name', SETTINGS)
def test_no_file_takes_more_memory_than_stated(hostile, name):
  pattern, settings, most_bytes = SETTINGS[name]
  found = decoded(hostile, settings, most_bytes + 64 * MIB, pattern=pattern)
  num_sets = 2 if pattern == ALL else 1
  assert len(found) == num_sets * conftest.NUM_HOSTILE
  assert {item['result'] for item in found} <= {'ok', *rejects.ADVICE}
  too_large = [i for i in found if i['peak_bytes'] > most_bytes + 2 * i['num_bytes']]
  assert too_large == []
  assert [item for item in found if item['cpu_s'] > FILE_CPU_S] == []
  # Damage is not taken for silence, nor everything for damage.
  results = [item['result'] for item in found]
  assert 500 * num_sets < results.count('ok') < 1_500 * num_sets
  assert {'truncated', 'not_audio', 'bad_rate', 'no_samples', 'not_finite'} <= set(results)


def test_a_giant_file_is_read_where_it_is_needed(tmp_path):
  # 3 GB that are not there: a header, and a hole.
  path = tmp_path / 'yes_giant.wav'
  num_bytes = 3_000_000_000
  form = wav_files.wave_format()
  head = wav_files.riff(wav_files.chunk(b'fmt ', form), wav_files.chunk(b'data', b''))
  head = head[:-4] + num_bytes.to_bytes(4, 'little')
  path.write_bytes(head)
  os.truncate(path, len(head) + num_bytes)
  (found,) = decoded(tmp_path, {'position': 'centre'}, 128 * MIB)
  assert found['result'] == 'ok'
  assert found['peak_bytes'] < BLOCK_BYTES


def test_many_channels_are_mixed_in_blocks(tmp_path):
  # 96 MB of 1,024 channels, of which float32 would be 192.
  samples = np.full((48_000, 1_024), 0x1000, np.int16)
  (tmp_path / 'wide.wav').write_bytes(wav_files.pcm16(samples))
  (found,) = decoded(tmp_path, {'clip_s': 3.0}, 512 * MIB)
  assert found['result'] == 'ok'
  assert found['peak_bytes'] < BLOCK_BYTES + samples.nbytes


def test_a_job_over_hostile_files_ends_with_every_file_accounted_for(hostile, corpus, tmp_path):
  def limited():
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))

  peaks, said = {}, ''
  for name, root, workers in (('good', corpus, 2), ('alone', hostile, 0), ('two', hostile, 2)):
    more = (f'--workers={workers}', '--max_reject_fraction=0.9')
    # By a small process between: of its child, Linux counts what the parent held at the start.
    command = [sys.executable, '-c', MEASURE, sys.executable, '-m', 'beam_jobs.featurize']
    done = subprocess.run(
      [*command, *corpora.argv(root, tmp_path / name, *more)],
      cwd=jobs.ROOT, capture_output=True, text=True, check=False, timeout=1_200, preexec_fn=limited,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2_000:]
    peaks[name], said = int(done.stdout.split()[-1]) << 10, done.stderr
  # Not a word of the decoders: workers' words go to a log. What is said is how far the job is.
  assert all('clips/s' in line or 'starting' in line for line in said.splitlines())
  assert peaks['two'] < peaks['good'] + BLOCK_BYTES + FFMPEG_BYTES + 2 * mutations.MAX_FILE_BYTES
  assert peaks['two'] < 450 * MIB, peaks
  output = tmp_path / 'two'
  assert jobs.digests(tmp_path / 'alone') == jobs.digests(output)
  manifest = manifest_file.load(str(output))
  assert verify.find_problems(str(output), manifest) == []
  lines = (output / 'rejects.jsonl').read_text().splitlines()
  rejected = {json.loads(line)['utterance_id'] for line in lines}
  kept = set()
  for shard in manifest.shards:
    for data in reader.read_records(str(output / shard.file_name)):
      record = codec.decode(data, manifest.features)
      assert np.isfinite(record.arrays['log_mel']).all()
      kept.add(record.utterance_id)
  every = {path.relative_to(hostile).as_posix() for path in hostile.rglob('*.wav')}
  assert len(every) == 2 * conftest.NUM_HOSTILE
  assert kept | rejected == every and not kept & rejected


# What takes a decoder very long: each is ended when its time is over, or is done before.


def test_files_that_take_very_long_are_ended():
  minutes = np.zeros(30 * 60 * 8_000, np.float32)
  files = {
    'flac': (mutations.flac_of_unknown_length(mutations.long_silence(minutes=90)), 0.1),
    'wavpack': (media_files.encoded('wavpack', minutes, rate_hz=8_000), 0.01),
  }
  spec = audio.AudioSpec(sample_rate_hz=8_000, clip_s=1.0, position='end')
  for name, (data, most_s) in files.items():
    with pytest.raises(clips.ClipError) as error:
      clips.decode(data, spec, max_decode_s=most_s)
    assert error.value.reason == 'too_slow', name
