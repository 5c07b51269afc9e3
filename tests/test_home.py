"""`~` stands for the home in every path of every command line, whichever program reads it."""

import dataclasses
import functools
import pathlib

import pytest

from beam_jobs import sources
from beam_jobs.asking import ask_flags
from beam_jobs.exploration import from_corpus, request
from beam_jobs.launching import flags, preparing
from beam_jobs.sources import corpus as corpus_lib
from pipelines import kubeflow
from schemas import errors
from tests.helpers import wav_files
from tfrecords import command_line, paths
from trainer import (
  app,
  baseline,
  compare,
  config,
  data_server,
  evaluate,
  extract,
  model_table,
  predict,
  suspects,
  sweep,
)
from trainer.export import exporting
from trainer.listen import listen_config
from trainer.models import application_weights
from trainer.runs import runs_table
from trainer.serve import serve_config


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
  monkeypatch.setenv('HOME', str(tmp_path))
  return str(tmp_path)


@pytest.mark.parametrize(
  ('path', 'wanted'),
  [
    ('~', '{}'),
    ('~/x', '{}/x'),
    ('table:~/x.csv', 'table:{}/x.csv'),
    ('folders:~/x', 'folders:{}/x'),
    ('gs://~/x', 'gs://~/x'),
    ('gs://bucket/~/x', 'gs://bucket/~/x'),
    ('x/~', 'x/~'),
    ('table:x', 'table:x'),
    ('', ''),
  ],
)
def test_the_home_is_expanded_where_a_path_begins(path, wanted, home):
  assert paths.expand(path) == wanted.format(home)


def of(config_class, *given, files=''):
  """Returns what reads a command line into a config."""
  parse = functools.partial(command_line.parse, config_class, description='', files=files)
  return lambda *argv: parse([*given, *argv])


def folder(*argv):
  return command_line.parse_folder(argv, description='', program='')


def asked(*given):
  base = ('--source=unlabelled', '--input=x', *given)
  return lambda *argv: ask_flags.parse([*base, *argv]).asked


# Every flag and argument that is a path, but the --input of a corpus: that one stands in the
# manifest as it was typed, and who opens the corpus expands it.
PATHS = [
  (of(app.AppConfig), app.AppConfig, 'run_dir'),
  (of(app.AppConfig), app.AppConfig, 'model'),
  (of(app.AppConfig), app.AppConfig, 'beside'),
  (of(app.AppConfig), app.AppConfig, 'keep'),
  (of(config.TrainConfig), config.TrainConfig, 'data'),
  (of(config.TrainConfig), config.TrainConfig, 'run_dir'),
  (of(config.TrainConfig, '--cache=disk'), config.TrainConfig, 'cache_dir'),
  (of(config.TrainConfig), config.TrainConfig, 'init_from'),
  (of(config.TrainConfig), config.TrainConfig, 'teacher'),
  (of(baseline.BaselineConfig), baseline.BaselineConfig, 'data'),
  (of(baseline.BaselineConfig), baseline.BaselineConfig, 'run_dir'),
  (of(exporting.ExportConfig, '--output=x'), exporting.ExportConfig, 'run_dir'),
  (of(exporting.ExportConfig), exporting.ExportConfig, 'output'),
  (
    of(exporting.ExportConfig, '--output=x', '--format=litert_int8'),
    exporting.ExportConfig,
    'calibration_data',
  ),
  (of(kubeflow.KubeflowConfig), kubeflow.KubeflowConfig, 'output'),
  (of(extract.ExtractConfig, '--run_dir=x', '--output=x'), extract.ExtractConfig, 'data'),
  (of(extract.ExtractConfig, '--output=x'), extract.ExtractConfig, 'run_dir'),
  (of(extract.ExtractConfig, '--run_dir=x'), extract.ExtractConfig, 'output'),
  (of(listen_config.ListenConfig), listen_config.ListenConfig, 'run_dir'),
  (of(listen_config.ListenConfig), listen_config.ListenConfig, 'model'),
  (of(listen_config.ListenConfig), listen_config.ListenConfig, 'input'),
  (of(listen_config.ListenConfig), listen_config.ListenConfig, 'truth'),
  (of(listen_config.ListenConfig), listen_config.ListenConfig, 'picture'),
  (of(listen_config.ListenConfig, '--truth=x'), listen_config.ListenConfig, 'figures'),
  (of(model_table.ModelsConfig), model_table.ModelsConfig, 'data'),
  (of(compare.CompareConfig, 'a', 'b', files='runs'), compare.CompareConfig, 'output'),
  (of(evaluate.EvaluateConfig), evaluate.EvaluateConfig, 'data'),
  (of(sweep.SweepConfig, '--output=x'), sweep.SweepConfig, 'data'),
  (of(sweep.SweepConfig), sweep.SweepConfig, 'output'),
  (of(evaluate.EvaluateConfig), evaluate.EvaluateConfig, 'run_dir'),
  (of(predict.PredictConfig), predict.PredictConfig, 'data'),
  (of(predict.PredictConfig, '--data=x'), predict.PredictConfig, 'run_dir'),
  (of(predict.PredictConfig, '--data=x'), predict.PredictConfig, 'model'),
  (of(predict.PredictConfig, '--data=x'), predict.PredictConfig, 'output'),
  (of(data_server.ServerConfig, '--role=dispatcher'), data_server.ServerConfig, 'work_dir'),
  (of(serve_config.ServeConfig), serve_config.ServeConfig, 'run_dir'),
  (of(serve_config.ServeConfig), serve_config.ServeConfig, 'model'),
  (of(suspects.SuspectsConfig), suspects.SuspectsConfig, 'run_dir'),
  (of(suspects.SuspectsConfig), suspects.SuspectsConfig, 'output'),
  (lambda *argv: request.parse(argv), request.Request, 'data'),
  (lambda *argv: request.parse(['--data=x', *argv]), request.Request, 'output'),
  (asked('--output=x'), ask_flags.AskFlags, 'model'),
  (asked('--model=x'), ask_flags.AskFlags, 'output'),
  (lambda *argv: flags.parse(argv).config, flags._Flags, 'output'),
  (lambda *argv: flags.parse(argv).config, flags._Flags, 'corrections'),
]


@pytest.mark.parametrize(('parse', 'config_class', 'name'), PATHS)
def test_a_flag_that_is_a_path_takes_the_home(parse, config_class, name, home):
  assert getattr(parse(f'--{name}=~/x'), name) == f'{home}/x'
  if config_class is not request.Request or name != 'output':  # Must be in a folder that is there.
    assert getattr(parse(f'--{name}=gs://bucket/~x'), name) == 'gs://bucket/~x'


def test_no_flag_that_is_a_path_is_forgotten():
  seen = {(config_class, name) for _, config_class, name in PATHS}
  for config_class in {config_class for _, config_class, _ in PATHS} | {flags.Invocation}:
    for field in dataclasses.fields(config_class):
      is_marked = field.metadata.get('is_path', False)
      assert is_marked == ((config_class, field.name) in seen), field.name
      begins = field.metadata.get('help', '').startswith(('Folder', 'A data set', 'The page'))
      assert is_marked or not begins or field.name == 'input', field.name


def test_raw_files_and_arguments_that_are_paths_take_the_home(home):
  raw = of(config.TrainConfig)
  assert raw('--data=table:~/x.csv').data == f'table:{home}/x.csv'
  assert raw('--data=folders:~/x').data == f'folders:{home}/x'
  assert folder('~/x') == f'{home}/x'
  assert of(compare.CompareConfig, files='runs')('~/a', 'b').runs == (f'{home}/a', 'b')
  assert of(runs_table.RunsConfig, files='folders')('~').folder == home
  named = of(predict.PredictConfig, files='files')('~/a.wav', 'b.wav')
  assert named.files == (f'{home}/a.wav', 'b.wav')


@pytest.fixture
def corpus(tmp_path):
  for name in ('audio/yes/a.wav', 'audio/no/b.wav', 'noise/c.wav'):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(wav_files.pcm16(wav_files.int16_noise(160)))
  (tmp_path / 'clips.csv').write_text('path,label\nyes/a.wav,yes\nno/b.wav,no\n')


@pytest.mark.usefixtures('corpus')
@pytest.mark.parametrize(
  'argv',
  [
    ('--source=folders', '--input=~/audio'),
    ('--source=table:root=~/audio', '--input=~/clips.csv'),
    ('--source=folders', '--input=~/audio', '--augment=background_noise:folder=~/noise'),
  ],
)
def test_a_corpus_and_what_its_settings_name_take_the_home(argv, home):
  job = preparing.prepare(flags.parse([*argv, '--output=~/data']).config)
  assert job.output == f'{home}/data'
  assert job.noise == ((f'{home}/noise/c.wav',) if 'noise' in argv[-1] else ())
  source = sources.SOURCES[job.source]
  clips = source.list_utterances(corpus_lib.Corpus(job.input), job.source_settings)
  assert {clip.uri for clip in clips} == {f'{home}/audio/no/b.wav', f'{home}/audio/yes/a.wav'}
  wanted = request.parse(argv[:2])
  assert list(from_corpus.list_corpus(source, wanted).to_show) == ['no', 'yes']


@pytest.mark.usefixtures('corpus')
def test_a_corpus_that_is_made_is_made_in_the_home(monkeypatch, home):
  made = []
  member = dataclasses.replace(
    sources.SOURCES['folders'], prepare=lambda place, settings: made.append(place)
  )
  monkeypatch.setitem(sources.SOURCES, 'folders', member)
  argv = ['--source=folders', '--input=~/audio']
  preparing.prepare(flags.parse([*argv, '--output=x']).config)
  from_corpus.list_corpus(member, request.parse(argv))
  assert made == [f'{home}/audio'] * 2


def test_a_file_of_weights_may_lie_in_the_home(home):
  with pytest.raises(errors.ConfigError, match='no such file'):
    application_weights._existing('~/x.keras')
  path = pathlib.Path(home, 'x.keras')
  path.touch()
  assert application_weights._existing('~/x.keras') == path
