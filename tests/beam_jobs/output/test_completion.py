"""What a whole job refuses at its end, and what it tells."""

import json
import re

import pytest

from beam_jobs import featurize
from schemas import command, naming
from tests.beam_jobs import corpora
from tfrecords import describe, manifest_file, tfds_metadata


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
  """48 clips, and 2 files that the pattern of the source does not fit."""
  root = corpora.make_words(tmp_path_factory.mktemp('corpus'))
  for number in range(2):
    corpora.write_wav(root / f'misnamed{number}.wav')
  return root


@pytest.mark.parametrize(
  'more', [(), ('--sample=0.2',), ('--max_per_speaker=1', '--max_per_label=4')]
)
def test_what_the_listing_rejects_is_a_share_of_what_it_lists(corpus, tmp_path, more):
  assert command.run(featurize.main, corpora.argv(corpus, tmp_path / 'out', *more)) == 0


def test_too_many_are_refused_of_a_sample_too(corpus, tmp_path, capsys):
  few = ('--sample=0.2', '--max_reject_fraction=0.03')
  assert command.run(featurize.main, corpora.argv(corpus, tmp_path / 'out', *few)) == 2
  said = capsys.readouterr().err
  assert re.search(r'2 of 50 entries of the corpus and 0 of \d+ clips that were taken', said)


def test_clips_that_are_bad_when_opened_are_a_share_of_those_that_are_opened(
  corpus, tmp_path, capsys
):
  damaged = tmp_path / 'corpus'
  for path in sorted(corpus.rglob('*.wav')):
    target = damaged / path.relative_to(corpus)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(b'' if path.stem.endswith('_3') else path.read_bytes())
  limited = ('--sample=0.3', '--max_reject_fraction=0.2')
  # A quarter of what is opened, and a twelfth of what is listed.
  assert command.run(featurize.main, corpora.argv(damaged, tmp_path / 'out', *limited)) == 2
  assert 'clips that were taken of it were rejected' in capsys.readouterr().err


def test_who_is_in_which_split_stands_in_manifest_summary_plan_and_description(
  corpus, tmp_path, capsys
):
  rule = '--split_by=speaker:test=ann'
  argv = corpora.argv(corpus, tmp_path / 'out', rule)
  assert command.run(featurize.main, [*argv, '--plan']) == 0
  planned = capsys.readouterr().out
  assert command.run(featurize.main, argv) == 0
  told = capsys.readouterr().out
  manifest = manifest_file.load(str(tmp_path / 'out'))
  assert manifest.speakers['test'] == ('ann',)
  assert sorted(sum(manifest.speakers.values(), ())) == sorted(corpora.SPEAKERS)
  (voice,) = manifest.speakers['validation']
  for text in (planned, told):
    assert re.search(r'test +8 \w+, 1 speaker \(ann\), 1 shard\b', text)
    assert re.search(rf'validation +8 \w+, 1 speaker \({voice}\), 1 shard\b', text)
  assert re.search(rf'^  validation  {voice}$', describe.describe(manifest), re.MULTILINE)


def table_of(root, labels):
  corpora.write_wav(root / 'a.wav')
  rows = [
    json.dumps({'path': 'a.wav', 'label': label, 'id': f'{speaker}{number}', 'speaker': speaker})
    for number, label in enumerate(labels)
    for speaker in corpora.SPEAKERS
  ]
  (root / 'clips.jsonl').write_text('\n'.join(rows) + '\n')
  return [
    '--source=table', f'--input={root / "clips.jsonl"}', f'--output={root / "out"}', '--workers=0',
    '--sample_rate_hz=8000', '--clip_seconds=0.5', '--feature=log_mel:num_mels=20',
  ]  # fmt: skip


@pytest.mark.parametrize('more', [(), ('--plan',)])
def test_labels_that_tfds_cannot_hold_are_refused_before_any_audio_is_read(
  tmp_path, capsys, monkeypatch, more
):
  argv = table_of(tmp_path, ('yes', 'two\nlines'))
  (tmp_path / 'a.wav').unlink()  # Whoever opened it would reject it.
  assert command.run(featurize.main, [*argv, *more]) == 2
  said = capsys.readouterr().err
  assert '1 of 2 labels cannot be kept in the metadata for TensorFlow Datasets' in said
  assert "'two\\nlines'. Rename them, or do without these metadata with --notfds_metadata" in said
  assert not list(tmp_path.glob('out/*tfrecord*'))


def test_without_these_metadata_any_label_will_do(tmp_path):
  argv = table_of(tmp_path, ('yes', 'two\nlines'))
  assert command.run(featurize.main, [*argv, '--notfds_metadata']) == 0
  assert manifest_file.load(str(tmp_path / 'out')).labels == ('two\nlines', 'yes')


def test_metadata_that_cannot_be_written_do_not_fail_a_finished_job(tmp_path, capsys, monkeypatch):
  def failing(*args):
    raise RuntimeError('The library is broken.')

  monkeypatch.setattr(tfds_metadata, 'write', failing)
  assert command.run(featurize.main, table_of(tmp_path, ('no', 'yes'))) == 0
  said = capsys.readouterr().err
  assert 'The data set is finished, without TFDS metadata: The library is broken.' in said
  assert (tmp_path / 'out' / naming.MANIFEST).exists()


def test_what_the_listing_says_reaches_plan_summary_manifest_and_description(tmp_path, capsys):
  root = tmp_path / 'corpus'
  for number in range(6):
    corpora.write_wav(root / f'third/{number}.wav', seed=number)
    corpora.write_wav(root / f'yes /{number}.wav', seed=10 + number)
    for word in ('yes ', 'no'):
      (root / word).mkdir(parents=True, exist_ok=True)
      (root / word / f'{number}.xyz').touch()
  argv = [
    '--source=folders', f'--input={root}', f'--output={tmp_path / "out"}', '--workers=0',
    '--notfds_metadata', '--sample_rate_hz=8000', '--clip_seconds=0.4',
    '--feature=log_mel:num_mels=20',
  ]  # fmt: skip
  texts = []
  for more in (['--plan'], []):
    assert command.run(featurize.main, [*argv, *more]) == 0
    texts.append(' '.join(capsys.readouterr().out.split()))
  manifest = manifest_file.load(str(tmp_path / 'out'))
  assert manifest.labels == ('third', 'yes')
  assert [(note.reason, note.what, note.count) for note in manifest.noted] == [
    ('no_clip_in', '', 1), ('not_read', '.xyz', 12), ('renamed', 'label', 6),
  ]  # fmt: skip
  for text in (*texts, describe.describe(manifest)):
    for note in manifest.noted:
      assert str(note) in text
  assert str(manifest.noted[0]).endswith('(no)')
  assert 'speaker' not in texts[1].partition('warning')[0]


def test_a_split_whose_clips_were_all_rejected_is_said(tmp_path, capsys):
  root = corpora.make_words(tmp_path / 'corpus', takes=2)
  for path in root.rglob('ann_*.wav'):
    path.write_bytes(b'')
  rule = ('--split_by=speaker:validation=ann', '--max_reject_fraction=0.5')
  assert command.run(featurize.main, corpora.argv(root, tmp_path / 'out', *rule)) == 0
  manifest = manifest_file.load(str(tmp_path / 'out'))
  assert 'Every clip of the validation split was rejected.' in manifest.warnings
  assert not any('There is no validation split' in warning for warning in manifest.warnings)
