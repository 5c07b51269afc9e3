"""--plan --probe reads headers and proposes a length."""

import pytest

from beam_jobs import featurize
from beam_jobs.launching import probing
from schemas import command, utterance
from tests.beam_jobs import corpora


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
  """Eighteen clips of 0.4 s, five of 1.2 s, one of 3 s, and one that is empty."""
  root = corpora.make_words(tmp_path_factory.mktemp('corpus'), takes=2)
  for speaker in corpora.SPEAKERS[1:]:
    corpora.write_wav(root / f'yes/{speaker}_0.wav', seconds=1.2)
  corpora.write_wav(root / 'yes/ann_0.wav', seconds=3)
  (root / 'no/ann_9.wav').touch()
  return root


def planned(corpus, tmp_path, capsys, *more):
  argv = corpora.argv(corpus, tmp_path / 'out', '--plan', *more)
  assert command.run(featurize.main, argv) == 0
  assert not (tmp_path / 'out').exists()
  return ' '.join(capsys.readouterr().out.split())


def test_a_length_is_proposed(corpus, tmp_path, capsys):
  said = planned(corpus, tmp_path, capsys, '--probe')
  assert (
    'probed lengths of 24 clips: 50 % up to 0.41 s, 90 % up to 1.3 s, 99 % up to 3 s, the longest '
    '3 s; 16.2 s in all'
  ) in said
  assert 'probed 6 of 24 clips were longer than 0.5 s: 10.2 s of 16.2 s are kept' in said
  assert '--clip_seconds=1.3 keeps 90 % of the clips whole' in said
  assert 'probed 1 empty: The file has zero bytes.' in said
  assert 'probed' not in planned(corpus, tmp_path, capsys)


def test_where_the_length_fits_that_is_said(corpus, tmp_path, capsys):
  (tmp_path / 'one').mkdir()
  corpora.make_words(tmp_path / 'one', takes=1)
  said = planned(tmp_path / 'one', tmp_path, capsys, '--probe')
  assert '--clip_seconds=0.5 fits: it keeps every clip whole, and 20 %' in said


def test_clips_of_any_length_are_held_against_the_limit(corpus, tmp_path, capsys):
  said = planned(corpus, tmp_path, capsys, '--probe', '--clip_seconds=0', '--max_clip_seconds=2')
  assert 'longer than 2 s are rejected: --clip_seconds=0 --max_clip_seconds=3 keeps them' in said


def test_the_lengths_are_those_of_the_excerpts(tmp_path, capsys):
  corpora.write_wav(tmp_path / 'long.wav', seconds=10)
  rows = [f'long.wav,a,s{i},{i},1.5\n' for i in range(8)] + ['long.wav,b,t,9.9,5\n']
  (tmp_path / 'clips.csv').write_text('path,label,speaker,start,duration\n' + ''.join(rows))
  argv = [
    '--source=table', f'--input={tmp_path / "clips.csv"}', f'--output={tmp_path / "out"}', '--plan',
    '--probe', '--sample_rate_hz=8000',
  ]  # fmt: skip
  assert command.run(featurize.main, argv) == 0
  said = ' '.join(capsys.readouterr().out.split())
  assert '99 % up to 1.5 s, the longest 1.5 s; 12 s in all' in said
  assert 'probed 1 bad_excerpt' in said


def test_of_many_clips_some_are_picked_whatever_their_order(monkeypatch):
  monkeypatch.setattr(probing, 'MOST_CLIPS', 10)
  clips = [
    utterance.Utterance(utterance_id=f'{i}.wav', speaker_id='s', label='a', uri='u')
    for i in range(100)
  ]
  picked = []
  for order in (clips, clips[::-1]):
    sample = probing.Sample()
    for one in order:
      sample.offer(one)
    assert sample.num_clips == 100
    picked.append([one.utterance_id for one in sample.clips()])
  assert picked[0] == picked[1] and len(picked[0]) == 10


def test_a_probe_without_a_plan_is_refused(corpus, tmp_path, capsys):
  assert command.run(featurize.main, corpora.argv(corpus, tmp_path / 'out', '--probe')) == 2
  assert (
    '--probe has no effect without --plan. Write both, or leave it away.' in capsys.readouterr().err
  )
