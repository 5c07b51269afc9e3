"""A flag that has no effect beside the others is refused, whichever program it is of."""

import dataclasses

import pytest

from beam_jobs import download, featurize
from beam_jobs.asking import ask_flags
from beam_jobs.exploration import request
from beam_jobs.launching import flags as job_flags
from beam_jobs.launching import launch
from schemas import command, errors
from tests import test_docs
from tests.beam_jobs import corpora
from trainer import data_server, sweep

PREDICT = ('a.wav',)
EXPORT = ('--output=x',)
SWEEP = ('--output=x', '--over=seed=1|2')
JOB = ('--source=folders', '--input=/x', '--output=/y')
PICTURES = ('--source=images', '--input=/x', '--output=/y')
ASK = ('--model=/m', '--source=unlabelled', '--input=/x', '--output=/y')
EXPLORE = ('--data=/x',)

# The program, what else it is told, the flag without effect, and what gives it one: in place of
# what else it is told where it names the same flags.
IDLE = [
  ('trainer', (), '--overwrite', '--run_name=a'),
  ('trainer', (), '--virtual_devices=2', '--strategy=mirrored:num_devices=2'),
  ('trainer', (), '--teacher_weight=0.5', '--teacher=/x'),
  ('trainer', (), '--teacher_temperature=2', '--teacher=/x'),
  ('trainer', ('--teacher=/x', '--teacher_weight=1'), '--label_smoothing=0.1',
   '--teacher_weight=0.5'),
  ('trainer', ('--freeze=trunk',), '--trunk_learning_rate=0.1', '--freeze=none'),
  ('trainer', (), '--cache_dir=/x', '--cache=disk'),
  ('trainer', ('--random_data',), '--monitor=loss', '--norandom_data'),
  ('trainer.baseline', (), '--overwrite', '--run_dir=a'),
  ('trainer.predict', PREDICT, '--hop_s=0.5', '--window_s=1'),
  ('trainer.predict', PREDICT, '--split=test', '--data=/x'),
  ('trainer.predict', ('--data=/x',), '--labels_from=folder', '--data='),
  ('trainer.predict', PREDICT, '--columns=a,b', '--format=submission'),
  ('trainer.predict', (*PREDICT, '--format=kaggle'), '--columns=a,b', '--format=submission'),
  ('trainer.predict', (*PREDICT, '--format=kaggle'), '--calibrated', '--format=csv'),
  ('trainer.predict', PREDICT, '--submission_names=path', '--format=submission'),
  ('trainer.predict', (*PREDICT, '--probabilities=all'), '--top=5', '--probabilities=top'),
  ('trainer.predict', (*PREDICT, '--format=submission'), '--top=5', '--format=csv'),
  ('trainer.predict', (*PREDICT, '--format=kaggle'), '--probabilities=all', '--format=csv'),
  ('trainer.predict', (*PREDICT, '--window_s=1', '--format=audacity'), '--top=5', '--format=csv'),
  *[
    (program, others, flag, '--none_of_these')
    for program, others in (
      ('trainer.predict', PREDICT), ('trainer.serve', ()), ('trainer.app', ()),
      ('trainer.listen', ()), ('trainer.export', EXPORT),
    )
    for flag in ('--none_score=energy', '--false_rejections=0.1')
  ],
  ('trainer.listen', (), '--tolerance_s=0.2', '--truth=/x'),
  ('trainer.listen', (), '--figures=/y', '--truth=/x'),
  ('trainer.listen', ('--input=/x',), '--device=usb', '--input='),
  ('trainer.export', EXPORT, '--calibration_data=/x', '--format=keras,litert_int8'),
  ('trainer.export', EXPORT, '--measure_clips=7', '--measure'),
  ('trainer.extract', ('--model=tcn', '--data=/x', '--output=/y'), '--checkpoint=last', None),
  ('trainer.extract', ('--run_dir=/x', '--output=/y'), '--virtual_devices=2',
   '--strategy=mirrored'),
  ('trainer.data_server', ('--role=dispatcher',), '--dispatcher=grpc://h:1', '--role=worker'),
  ('trainer.data_server', ('--role=worker', '--dispatcher=grpc://h:1'), '--work_dir=/x', None),
  ('trainer.sweep', (*SWEEP, '--search=grid'), '--trials=3', '--search=tpe'),
  ('trainer.sweep', (*SWEEP, '--search=grid'), '--seed=3', '--search=random'),
  ('pipelines.kubeflow', (), '--gpu_type=a.b/c', '--gpus=1'),
  ('beam_jobs.featurize', JOB, '--max_clip_seconds=5', '--clip_seconds=0'),
  ('beam_jobs.featurize', (*JOB, '--clip_seconds=0'), '--clip_position=end', '--clip_seconds=1'),
  ('beam_jobs.featurize', JOB, '--probe', '--plan'),
  *[
    ('beam_jobs.featurize', PICTURES, flag, '--source=folders')
    for flag in (
      '--sample_rate_hz=8000', '--channel=left', '--full_scale=2', '--clip_seconds=2',
      '--clip_position=end', '--min_clip_seconds=0.1', '--trim_silence_db=40', '--effect=peak',
      '--max_decode_s=3',
    )
  ],
  ('beam_jobs.predict', ASK, '--hop_s=0.5', '--window_s=1'),
  ('beam_jobs.predict', (*ASK, '--probabilities=all'), '--top=5', '--probabilities=top'),
  ('beam_jobs.predict', (*ASK, '--format=kaggle'), '--top=5', '--format=csv'),
  ('beam_jobs.predict', (*ASK, '--format=kaggle'), '--probabilities=all', '--format=csv'),
  ('beam_jobs.predict', (*ASK, '--source=images'), '--all_files', '--source=unlabelled'),
  ('beam_jobs.predict', (*ASK, '--source=images'), '--max_decode_s=3', '--source=unlabelled'),
  ('beam_jobs.explore', EXPLORE, '--all_files', None),
  ('beam_jobs.explore', ('--source=images', '--input=/x'), '--all_files', '--source=folders'),
]  # fmt: skip


@pytest.mark.parametrize(('program', 'others', 'flag', 'cure'), IDLE)
def test_a_flag_without_effect_is_refused_and_taken_with_what_gives_it_one(
  program, others, flag, cure
):
  with pytest.raises(errors.ConfigError, match='has no effect with') as found:
    test_docs.check_python(program, [*others, flag])
  assert str(found.value).startswith(flag.split('=')[0])
  if cure is None:  # Nothing beside what else is told would.
    return
  others = [] if cure == '--data=/x' else others  # Files, or a data set.
  cures = ['a.wav', cure] if cure == '--data=' else [cure]
  test_docs.check_python(program, [*others, flag, *cures])


def test_the_table_names_every_condition_of_the_code():
  classes = [
    *test_docs.TRAINER.values(),
    *(config for config, _ in test_docs.WITH_ARGUMENTS.values()),
    *(sweep.SweepConfig, data_server.ServerConfig, download.DownloadConfig),
    *(job_flags._Flags, job_flags.Invocation, ask_flags.AskFlags, request.Request),
  ]
  fields = [field for one in classes for field in dataclasses.fields(one)]
  wanted = {
    field.name for field in fields if field.metadata.get('needs') or field.metadata.get('idle_with')
  }
  assert wanted and wanted <= {flag.lstrip('-').split('=')[0] for _, _, flag, _ in IDLE}
  names = {field.name for field in fields}
  for field in fields:
    for condition in (*field.metadata.get('needs', ()), *field.metadata.get('idle_with', ())):
      assert condition.split('=')[0] in names


TABLE = '--source=table'


@pytest.mark.parametrize(
  ('source', 'flag', 'said'),
  [
    (TABLE, '--validation_fraction=0.2', 'the corpus itself says of every speaker'),
    (TABLE, '--test_fraction=0', 'the corpus itself says of every speaker'),
    ('--source=unlabelled', '--test_fraction=0.5', 'the corpus itself says of every speaker'),
    ('--source=unlabelled', '--augment=gain', 'it makes copies of train clips, and --source=unlab'),
    ('--source=unlabelled', '--balance=undersample', 'whose clips have no labels'),
  ],
)
def test_what_the_listing_of_a_corpus_makes_idle_is_refused_by_plan_and_job(
  source, flag, said, tmp_path, capsys
):
  rows = ['path,label,speaker,split', 'a.wav,yes,ann,train', 'b.wav,no,bob,test']
  rows.append('c.wav,yes,cyd,validation')
  table = tmp_path / 'clips.csv'
  table.write_text('\n'.join(rows))
  for name in 'abc':
    corpora.write_wav(tmp_path / f'{name}.wav')
  where = table if source == TABLE else tmp_path
  arguments = [source, f'--input={where}', f'--output={tmp_path / "out"}', '--workers=0',
               '--clip_seconds=0.5', '--sample_rate_hz=8000', '--notfds_metadata']  # fmt: skip
  for more in (['--plan'], []):
    assert command.run(featurize.main, [*arguments, flag, *more]) == 2
    error = capsys.readouterr().err
    assert f'{flag.partition("=")[0]}=' in error and 'has no effect' in error and said in error
  assert not (tmp_path / 'out' / 'manifest.json').exists()
  assert command.run(featurize.main, [*arguments, '--plan']) == 0


@pytest.mark.parametrize('split', ['validation', 'test'])
def test_a_share_of_a_split_whose_values_are_named_is_refused(split):
  with pytest.raises(
    errors.ConfigError, match=f'--{split}_fraction=0.2 has no effect with --split'
  ):
    job_flags.parse([*JOB, f'--{split}_fraction=0.2', f'--split_by=speaker:{split}=ann'])


@pytest.mark.parametrize(
  ('arguments', 'other'),
  [(['--runner=FlinkRunner'], '--runner=FlinkRunner'), (['--direct_num_workers=2'], '--direct_')],
)
def test_processes_of_this_machine_are_no_workers_of_a_cluster(arguments, other):
  asked = job_flags.parse([*JOB, '--workers=77', *arguments])
  with pytest.raises(errors.ConfigError, match=f'--workers=77 .*no effect with {other}'):
    launch.check_runner(asked, source='/x', output='/y')
