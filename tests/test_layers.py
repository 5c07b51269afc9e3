"""Imports point down only, between packages and between rooms: the tables here say how."""

import ast
import collections
import graphlib
import importlib.metadata
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent

MAY_IMPORT = {
  'schemas': set(),
  'tfrecords': {'schemas'},
  'features': {'schemas', 'tfrecords'},
  'pages': {'schemas', 'tfrecords', 'features'},
  'exports': {'schemas', 'tfrecords', 'features'},
  'beam_jobs': {'schemas', 'tfrecords', 'features', 'pages', 'exports'},
  'trainer': {'schemas', 'tfrecords', 'features', 'pages', 'exports'},
  'pipelines': {'schemas', 'tfrecords'},
}

# Inside a package: room -> the rooms, and the modules beside them, that it may import. Such modules
# may import all rooms.
ROOMS = {
  'tfrecords': {
    'storage': '',
    'wire': '',
    'resources': '',
    'finishing': 'manifest_file storage',
    'pipeline': 'held_out manifest_file reader resources shard_files storage wire',
  },
  'features': {
    'portable': '',
    'pixels': '',
    'spectra': 'portable',
    'effects': 'portable',
    'augmentations': 'portable spectra',
    'decoding': 'effects image portable stored_form',
  },
  'beam_jobs': {
    'processes': '',
    'sources': 'processes',
    'planning': 'config rules sources',
    'shards': 'config processes sources',
    'output': 'config planning processes rules shards sources',
    'downloading': 'processes',
    'launching': 'config output pipeline planning processes rules shards sources transforms',
    'exploration': 'shards sources',
    'asking': 'launching output planning processes shards sources transforms',
  },
  'trainer': {
    'models': 'lazy model_table',
    'augment': 'lazy',
    'devices': 'lazy',
    'data': 'augment lazy',
    'predictions': '',
    'measures': 'predictions',
    'confidence': 'predictions runs',
    'baselines': 'data devices predictions',
    'baseline': 'baselines child_processes data devices folds judging learning measures runs',
    'runs': 'baselines devices lazy measures models',
    'child_processes': 'runs',
    'compare': 'measures predictions runs',
    'judging': 'baselines confidence data devices lazy measures models predictions runs',
    'folds': 'child_processes config data devices judging learning models predictions preflight '
    'resume runs',
    'predicting': 'confidence judging runs',
    'suspects': 'predictions runs',
    'decoders': '',
    'app': 'confidence decoders export judging predictions runs suspects',
    'callbacks': 'judging measures runs',
    'rate_range': 'assembly config data devices judging learning memory_demand models runs',
    'sweep': 'augment child_processes config data folds learning measures models preflight resume '
    'runs',
    'trunks': 'compare data devices judging lazy measures models runs',
    'export': 'confidence config data devices judging lazy models predictions runs streaming '
    'trunks',
    'streaming': 'lazy models runs',
    'serve': 'confidence decoders export runs',
    'listen': 'confidence devices export judging runs streaming',
    'learning': 'augment callbacks data devices judging lazy measures models runs',
  },
}

MOST_MODULES = 15
# Where a member is a module: they grow.
FAMILIES = {'beam_jobs/sources', 'features', 'trainer/models'}

# Modules and rooms that mean the same wherever they stand; every other name stands once.
SAME_EVERYWHERE = {
  'config',  # Of a program.
  'predict',  # A few files, and a million.
  'flags',
  'augmentation',  # Of copies, and on the fly.
  'chain',
  'gain',
  'speed',
  'table',  # Of clips.
  'pipeline',  # Of Beam, and of tf.data.
}


def imported(path):
  """Yields the first part of every absolute import of a file, also of those inside functions."""
  for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
    if isinstance(node, ast.Import):
      yield from (alias.name.partition('.')[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
      assert not node.level, f'{path}: relative imports hide the layer'
      yield node.module.partition('.')[0]


def build_targets():
  """Returns {name: deps} of BUILD, which is written in a subset of Python."""
  targets = {}
  for node in ast.parse((ROOT / 'BUILD').read_text(encoding='utf-8')).body:
    values = {keyword.arg: keyword.value for keyword in node.value.keywords}
    deps = ast.literal_eval(values['deps']) if 'deps' in values else []
    targets[ast.literal_eval(values['name'])] = {dep.removeprefix(':') for dep in deps}
  return targets


@pytest.mark.parametrize('package', MAY_IMPORT)
def test_a_package_imports_lower_layers_only(package):
  files = sorted((ROOT / package).rglob('*.py'))
  assert files
  for path in files:
    wrong = set(imported(path)) & set(MAY_IMPORT) - MAY_IMPORT[package] - {package}
    assert not wrong, f'{path.relative_to(ROOT)} imports {sorted(wrong)}'


def modules():
  """Returns the file of every module of the packages by its dotted name."""
  found = {}
  for package in MAY_IMPORT:
    for path in sorted((ROOT / package).rglob('*.py')):
      parts = path.relative_to(ROOT).with_suffix('').parts
      found['.'.join(parts[:-1] if parts[-1] == '__init__' else parts)] = path
  return found


def imported_modules(path, known):
  """Returns those of the `known` modules that a file imports, also inside functions."""
  found = set()
  for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
    if isinstance(node, ast.Import):
      found |= {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
      members = {f'{node.module}.{alias.name}' for alias in node.names}
      found |= members & known or {node.module}
  return found & known


def test_no_module_imports_itself_by_way_of_others():
  known = modules()
  graph = {name: imported_modules(path, set(known)) for name, path in known.items()}
  graphlib.TopologicalSorter(graph).prepare()  # CycleError names the modules of a circle.


@pytest.mark.parametrize('package', ROOMS)
def test_a_room_imports_what_its_line_says_and_no_more(package):
  known = modules()
  rooms = {path.parent.name for path in (ROOT / package).glob('*/__init__.py')}
  assert rooms == set(ROOMS[package])
  order = {room: line.split() for room, line in ROOMS[package].items()}
  graphlib.TopologicalSorter(order).prepare()
  for name, path in known.items():
    here = name.split('.')[1:2]
    if name.startswith(f'{package}.') and here[0] in rooms:
      others = {tuple(other.split('.')[:2]) for other in imported_modules(path, set(known))}
      inside = {other[1] for other in others if other[0] == package and len(other) > 1}
      wrong = inside - {*ROOMS[package][here[0]].split(), *here}
      assert not wrong, f'{name} imports {sorted(wrong)}'


def test_no_folder_is_crowded():
  counts = collections.Counter(
    path.parent.relative_to(ROOT).as_posix()
    for path in modules().values()
    if path.name != '__init__.py'
  )
  crowded = {folder for folder, count in counts.items() if count > MOST_MODULES}
  assert crowded <= FAMILIES


def test_a_name_means_one_thing_in_the_whole_tree():
  counts = collections.Counter(name.rpartition('.')[2] for name in modules())
  twice = {name for name, count in counts.items() if count > 1 and not name.startswith('_')}
  assert twice <= SAME_EVERYWHERE


def test_schemas_need_nothing_but_the_standard_library():
  for path in sorted((ROOT / 'schemas').rglob('*.py')):
    foreign = set(imported(path)) - sys.stdlib_module_names - {'schemas'}
    assert not foreign, f'{path.relative_to(ROOT)} imports {sorted(foreign)}'


def test_build_has_a_target_per_package_with_the_same_layers():
  assert build_targets() == {**MAY_IMPORT, 'tests': set(MAY_IMPORT)}


def test_what_a_layer_may_import_is_closed():
  for package, lower in MAY_IMPORT.items():
    for below in lower:
      assert MAY_IMPORT[below] <= lower, f'{package} may import {below} but not all that it imports'


def test_bazel_lists_the_targets(tmp_path):
  if not shutil.which('bazel'):
    pytest.skip('bazel is not installed (Debian: apt install bazel-bootstrap)')
  command = ['bazel', f'--output_user_root={tmp_path}', '--batch', 'query', '//...']
  environment = {**os.environ, 'HOME': str(tmp_path)}
  done = subprocess.run(
    command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
  )
  assert done.returncode == 0, done.stderr
  assert set(done.stdout.split()) == {f'//:{name}' for name in build_targets()}


@pytest.mark.parametrize(
  ('module', 'unwanted'),
  [
    ('schemas.manifest', {'numpy', 'absl', 'tensorflow', 'apache_beam'}),
    ('tfrecords.writer', {'tensorflow', 'apache_beam'}),
    ('features', {'tensorflow', 'apache_beam', 'librosa', 'keras'}),
    # Ctrl-C is told from the first moment on, so what takes seconds is loaded behind it.
    ('beam_jobs.featurize', {'apache_beam', 'numpy'}),
    ('beam_jobs.predict', {'apache_beam', 'numpy'}),
    (
      'beam_jobs.launching.launch',
      {'tensorflow', 'keras', 'matplotlib', 'sklearn', 'librosa', 'jinja2'},
    ),
    ('beam_jobs.asking.ask_job', {'tensorflow', 'keras', 'trainer'}),
  ],
)
def test_importing_a_module_does_not_pull_in(module, unwanted):
  code = f'import sys, {module}; print(*sorted(set(sys.modules) & {unwanted!r}))'
  done = subprocess.run(
    [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=True
  )
  assert not done.stdout.strip(), f'{module} imports {done.stdout}'


def declared(name):
  """Returns the distributions that a list or an extra of setup.py names."""
  for node in ast.parse((ROOT / 'setup.py').read_text(encoding='utf-8')).body:
    if isinstance(node, ast.Assign) and node.targets[0].id in ('CORE', 'EXTRAS'):
      value = ast.literal_eval(node.value)
      requirements = value if isinstance(value, list) else value.get(name)
      if (node.targets[0].id == 'CORE') == (name == 'core'):
        return {re.match(r'[A-Za-z0-9-]+', item)[0] for item in requirements}
  raise AssertionError(name)


def imported_at_start(path):
  """Yields the imports that run when the module is imported."""
  for node in ast.parse(path.read_text(encoding='utf-8')).body:
    if isinstance(node, ast.Import):
      yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
      yield f'{node.module}.{node.names[0].name}'


# Only imported by the trainer, by tests, or when there is work that needs TensorFlow.
NOT_ON_A_WORKER = {
  'exports/answer_tables.py',
  'exports/table_texts.py',
  'features/effect_twins.py',
  'features/layers.py',
  'features/keras_twins.py',
  'tfrecords/pipeline/balance.py',
  'tfrecords/pipeline/dataset.py',
  'tfrecords/storage/fsspec_bucket.py',  # They come with the clients of their buckets.
  'tfrecords/storage/gcs.py',
  'tfrecords/pipeline/order.py',
  'tfrecords/pipeline/parsing.py',
  'tfrecords/pipeline/parts.py',
  'tfrecords/pipeline/pools.py',
  'tfrecords/pipeline/read_errors.py',
  'tfrecords/pipeline/stores.py',
  'tfrecords/pipeline/tf_options.py',
  'tfrecords/tfds_metadata.py',
}


def test_the_core_install_is_all_that_the_data_job_imports():
  distributions = importlib.metadata.packages_distributions()
  for package in ('tfrecords', 'features', 'pages', 'exports', 'beam_jobs'):
    allowed = declared('core') | (declared('report') if package == 'pages' else set())
    for path in sorted((ROOT / package).rglob('*.py')):
      name = path.relative_to(ROOT).as_posix()
      if name in NOT_ON_A_WORKER:
        continue
      for module in imported_at_start(path):
        top = module.partition('.')[0]
        if top in sys.stdlib_module_names or top in MAY_IMPORT:
          continue
        # Many distributions share the name `google`.
        protobuf = module.startswith('google.protobuf')
        found = {'protobuf'} if protobuf else set(distributions.get(top, ()))
        assert found & allowed, f'{name} imports {module}, which no requirement brings'
