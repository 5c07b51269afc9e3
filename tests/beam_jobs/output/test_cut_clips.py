"""What is cut and what is padded is said, with the length that would keep it."""

import pytest

from beam_jobs import featurize
from beam_jobs.launching import summary
from beam_jobs.output import cut_clips
from schemas import audio, command
from tests.beam_jobs import corpora
from tfrecords import describe, manifest_file
from tfrecords.finishing import durations


def warned(seconds, **settings):
  spec = audio.AudioSpec(**settings)
  counter = durations.Counter(spec.sample_rate_hz)
  for whole_s in seconds:
    whole = round(whole_s * spec.sample_rate_hz)
    counter.add(min(whole, spec.clip_samples or whole), whole)
  return list(cut_clips.warnings(counter.durations(), spec))


def test_clips_that_are_cut_are_counted_with_what_keeps_them():
  (said,) = warned([0.9] * 179 + [2.9] * 1_900 + [6.0] * 200)
  assert said == (
    '2,100 of 2,279 clips were longer than 1 s: 37.7 min of 114.5 min are kept, of each the start. '
    '--clip_seconds=0 keeps all of it, --clip_seconds=3 keeps 90 % of the clips whole.'
  )


def test_where_nearly_all_are_whole_a_larger_share_is_proposed():
  (said,) = warned([1.0] * 95 + [3.05] * 5, position='centre')
  assert said.startswith(
    '5 of 100 clips were longer than 1 s: 100 s of 110 s are kept, of each the'
  )
  assert said.endswith('the centre. --clip_seconds=0 keeps all of it, --clip_seconds=3.1 keeps '
                       'every clip whole.')  # fmt: skip
  (said,) = warned([1.0] * 999 + [75.0])
  assert said.startswith('1 of 1,000 clips was longer than 1 s')
  assert said.endswith('--clip_seconds=0 --max_clip_seconds=75 keeps all of it, --clip_seconds=75 '
                       'keeps every clip whole.')  # fmt: skip


def test_much_padding_is_said():
  assert not warned([0.4] * 100)
  (said,) = warned([0.3] * 100)
  assert said == (
    '70 % of what is stored is padding: clips have 1 s, and of audio 0.3 s on average. '
    '--clip_seconds=0.31 keeps 90 % of the clips whole, --clip_seconds=0 leaves each as long as it '
    'is.'
  )


@pytest.mark.parametrize('settings', [{}, {'clip_s': 0}])
def test_nothing_is_said_where_nothing_is_lost(settings):
  assert not warned([1.0] * 50 + [0.6] * 50, **settings)
  assert not warned([], **settings)


@pytest.fixture(scope='module')
def manifest(tmp_path_factory):
  """Clips of 0.4 and 1.2 s, cut to 0.5 s, each train clip with a copy."""
  corpus, output = tmp_path_factory.mktemp('corpus'), tmp_path_factory.mktemp('data')
  corpora.make_words(corpus, takes=1)
  corpora.write_wav(corpus / 'yes' / 'ann_0.wav', seconds=1.2)
  assert command.run(featurize.main, corpora.argv(corpus, output, '--augment=gain')) == 0
  return manifest_file.load(str(output))


def test_a_job_says_it_everywhere(manifest):
  (said,) = [text for text in manifest.warnings if 'longer than' in text]
  assert said.startswith('1 of 12 clips was longer than 0.5 s: 4.9 s of 5.6 s are kept')
  assert f'warning: {said}' in describe.describe(manifest)
  assert ('warning', said) in summary.rows(manifest, 1.0)


def test_hours_are_of_what_is_stored_and_the_recordings_are_told_beside(manifest):
  num_records = sum(shard.num_records for shard in manifest.shards)
  assert num_records > 12
  stored_s, source_s = manifest.seconds()
  assert source_s == pytest.approx(11 * 0.4 + 1.2)
  # One clip of 0.5 s, and its copy where it is in train.
  assert stored_s - 0.4 * num_records == pytest.approx(0.1, abs=1e-6) or (
    stored_s - 0.4 * num_records == pytest.approx(0.2, abs=1e-6)
  )


def test_the_speed_of_a_slow_job_is_no_zero(manifest):
  num_records = sum(shard.num_records for shard in manifest.shards)
  said = dict(summary.rows(manifest, 40.0))['time']
  assert said.startswith(f'40.0 s: {num_records / 40:.1f} clips/s, 0.2 x realtime, ')
  assert f': {num_records * 1_000:,} clips/s, ' in dict(summary.rows(manifest, 0.001))['time']


def test_where_both_are_the_same_hours_they_are_said_once():
  assert summary.hours((3_600.0, 3_600.0)) == '60.0 min of audio'
  assert summary.hours((2_280.0, 6_624.0)) == '38.0 min of audio, made of 110.4 min of recordings'
