"""The pipelines, run by kfp on this machine: real steps, real artifacts. make test-kubeflow."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent

pytestmark = [
  pytest.mark.kubeflow,
  # What means nothing without a cluster, such as the name of a step on its page.
  pytest.mark.filterwarnings('ignore:.*no effect in the current local runner'),
]

# The voices and the noises of the demo corpus, fewer takes of it.
BASE = 'synthetic:takes=3'
OWN = 'synthetic:words=seven+nine,takes=3,unknown=0,silence=0,seed=1'
MODEL = 'cnn:filters=8,dense_units=32'
TRAINED = '--learning_rate=0.003 --patience=0'


def compile_into(folder, *flags, hash_seed='0'):
  """Runs `python -m pipelines.kubeflow`; returns the bytes of what it wrote, by name."""
  done = subprocess.run(
    [sys.executable, '-m', 'pipelines.kubeflow', f'--output={folder}', *flags],
    cwd=ROOT,
    env={**os.environ, 'PYTHONHASHSEED': hash_seed},
    capture_output=True,
    text=True,
    check=False,
  )
  assert not done.returncode, done.stderr
  return {os.path.relpath(path, folder): pathlib.Path(path).read_bytes()
          for path in done.stdout.split()}  # fmt: skip


@pytest.fixture(scope='module')
def yaml_dir(tmp_path_factory):
  folder = tmp_path_factory.mktemp('yaml')
  compile_into(folder)
  return folder


@pytest.fixture(scope='module')
def local_root(tmp_path_factory):
  """Returns the folder of the artifacts of kfp's local runner, which is set up."""
  from kfp import local

  folder = tmp_path_factory.mktemp('local')
  runner = local.SubprocessRunner(use_venv=False)
  local.init(runner, pipeline_root=str(folder / 'root'))
  before = os.getcwd()
  os.chdir(folder)  # Where a step writes what it was given no place for.
  yield folder / 'root'
  os.chdir(before)


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
  return tmp_path_factory.mktemp('corpus')


@pytest.fixture(scope='module')
def whole(yaml_dir, local_root, corpus):
  """Returns the pipeline of all steps, done, as it stands in its YAML file."""
  from kfp import components

  pipeline = components.load_component_from_file(str(yaml_dir / 'pretraining.yaml'))
  return pipeline(
    source=BASE,
    input=str(corpus / 'demo'),
    model=MODEL,
    epochs=6,
    train_flags=TRAINED,
    own_source=OWN,
    own_input=str(corpus / 'own'),
    transfer_epochs=3,
    transfer_flags=TRAINED,
    formats='saved_model,litert_int8',
  )


def artifact(local_root, step, name):
  """Returns where an artifact of the pipeline of `whole` lies."""
  (found,) = local_root.glob(f'voxshard-pretraining-*/{step}/{name}')
  return found


def test_metrics_and_pages_are_those_of_the_run(whole):
  metrics = whole.outputs['metrics'].metadata
  assert metrics['accuracy'] > 0.6
  assert metrics['clips'] == 24
  matrix = whole.outputs['confusion'].metadata['confusionMatrix']
  assert [spec['displayName'] for spec in matrix['annotationSpecs']] == ['nine', 'seven']
  right = sum(row['row'][i] for i, row in enumerate(matrix['rows']))
  assert right / metrics['clips'] == pytest.approx(metrics['accuracy'], abs=1e-5)
  report = pathlib.Path(whole.outputs['report'].path).read_text(encoding='utf-8')
  assert report.startswith('<!') and 'seven' in report


def test_its_export_opens_and_hears(whole, corpus):
  from exports import clip_input, exported

  model = whole.outputs['model']
  assert model.metadata['labels'] == 'nine, seven'
  assert model.metadata['sample_rate_hz'] == 16_000
  assert model.metadata['formats'] == 'litert_int8, saved_model'
  asked = exported.Exported(model.path)
  files = sorted((corpus / 'own').glob('seven/*.wav')) + sorted((corpus / 'own').glob('nine/*.wav'))
  heard = [clip_input.decode(path.read_bytes(), asked.export).samples for path in files]
  answers = asked.of_clips(heard)
  labels = [asked.export.labels[i] for i in answers.probabilities.argmax(axis=1)]
  right = [label == path.parent.name for label, path in zip(labels, files, strict=True)]
  assert sum(right) / len(right) > 0.6


def test_evaluation_leaves_the_run_as_the_training_made_it(whole, local_root):
  run = pathlib.Path(whole.outputs['run'].path)
  assert {'outcome.json', 'checkpoints', 'manifest.json'} <= {path.name for path in run.iterdir()}
  base = artifact(local_root, 'train', 'run')
  assert not (base / 'report.json').exists()  # It never looked at the test split.


@pytest.fixture(scope='module')
def transferred(whole, yaml_dir, local_root):
  """Returns the component for transfer learning, in a pipeline of somebody else's."""
  from kfp import components, dsl

  transfer = components.load_component_from_file(str(yaml_dir / 'components' / 'transfer.yaml'))

  @dsl.pipeline
  def theirs(base_run: str, own_data: str) -> dsl.Metrics:
    base = dsl.importer(artifact_uri=base_run, artifact_class=dsl.Model)
    data = dsl.importer(artifact_uri=own_data, artifact_class=dsl.Dataset)
    learned = transfer(
      base=base.output, data=data.output, keep='head', epochs=1, flags='--patience=0'
    )
    return learned.outputs['metrics']

  return theirs(
    base_run=str(artifact(local_root, 'train', 'run')),
    own_data=str(artifact(local_root, 'featurize-2', 'data')),
  )


def test_transfer_is_a_component_for_other_pipelines(transferred, local_root):
  metrics = transferred.outputs['Output'].metadata
  assert set(metrics) == {
    'head_accuracy',
    'fine-tuned_accuracy',
    'scratch_accuracy',
    'head_over_scratch',
    'fine-tuned_over_scratch',
  }
  (page,) = local_root.glob('theirs-*/transfer/comparison')
  assert page.read_text(encoding='utf-8').startswith('<!')
  (run,) = local_root.glob('theirs-*/transfer/run')
  assert (run / 'checkpoints' / 'best.keras').exists()


def test_a_step_that_fails_ends_the_pipeline_with_its_sentence(yaml_dir, local_root, capfd):
  from kfp import components

  pipeline = components.load_component_from_file(str(yaml_dir / 'training.yaml'))
  with pytest.raises(RuntimeError, match='featurize'):
    pipeline(source='wav_files', input='/nowhere')
  said = capfd.readouterr().out
  assert re.search('error: python -m beam_jobs.featurize ended with exit code 2: .*wav_files', said)
  assert 'Traceback' not in said
  assert not list(local_root.glob('voxshard-training-*/train'))


def test_the_same_flags_give_the_same_bytes(tmp_path):
  first = compile_into(tmp_path / 'a', hash_seed='1')
  assert compile_into(tmp_path / 'b', hash_seed='2') == first
  assert {'pretraining.yaml', 'components/transfer.yaml'} <= set(first)


def test_every_step_has_the_image_and_those_that_train_the_gpus(tmp_path):
  image = 'registry.example/voxshard-python@sha256:0123'
  flags = (f'--image={image}', '--gpus=2', '--memory=16G', '--cpus=4')
  texts = compile_into(tmp_path, *flags)
  assert all(f'image: {image}'.encode() in text for text in texts.values())
  found = texts['pretraining.yaml'].decode()
  assert found.count("resourceCount: '2'") == 3
  assert found.count('resourceMemoryLimit: 16G') == found.count("resourceCpuLimit: '4'") == 6
