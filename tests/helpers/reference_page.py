"""Makes docs/reference.md of the tables in the code: families, their settings, programs' flags.

make reference
"""

import dataclasses
import functools
import importlib
import inspect
import pathlib
import pkgutil
import re
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import features
from beam_jobs import download, downloading, sources
from beam_jobs.asking import ask_flags
from beam_jobs.launching import flags as job_flags
from features import augmentations, effects
from schemas import medium
from tests import test_docs
from tests.helpers import toy_models
from trainer import augment, baselines, models
from trainer.devices import strategies
from trainer.learning import optimizers, schedules
from trainer.models import model as model_lib

PATH = pathlib.Path(__file__).parents[2] / 'docs' / 'reference.md'

_HEAD = """# Reference

Everything that can be named on a command line, with its defaults. This page is made of the code by
`make reference`; the sentences are those of the code.

A member of a family is written `name:key=value,key=value`, as in `--feature=log_mel:num_mels=64`; a
comma inside a value is written `\\,`. A wrong name or key lists the right ones.
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Family:
  """One table of the code.

  Attributes:
    title: Of its section.
    flag: How a member is named.
    members: The table.
    text: What is said of all of them.
  """

  title: str
  flag: str
  members: Mapping[str, Any]
  text: str = ''


FAMILIES = (
  Family(
    title='Sources',
    flag='beam_jobs.featurize --source=',
    members=sources.SOURCES,
    text='Where clips come from.',
  ),
  Family(
    title='Corpora to download',
    flag='beam_jobs.download ',
    members=downloading.CORPORA,
    text='Fetched from where their makers keep them.',
  ),
  Family(
    title='Effects',
    flag='beam_jobs.featurize --effect=',
    members=effects.EFFECTS,
    text='What is done to every clip, in the order given. Prediction repeats it.',
  ),
  Family(
    title='Features',
    flag='beam_jobs.featurize --feature=',
    members=features.FEATURES,
    text=(
      'What a record holds; several times for several side by side. Without it the job stores '
      f'`{features.DEFAULT}`. Those that a model can compute are `trainer --compute=` too, and can '
      'be exported.'
    ),
  ),
  Family(
    title='Augmented copies',
    flag='beam_jobs.featurize --augment=',
    members=augmentations.AUGMENTATIONS,
    text='Changed copies of the train clips, `--augment_copies` of each; the same in every run.',
  ),
  Family(
    title='Augmentation on the fly',
    flag='trainer --augment=',
    members=augment.AUGMENTATIONS,
    text='The train split as it is read, other at every pass.',
  ),
  Family(
    title='Models',
    flag='trainer --model=',
    members=models.MODELS,
    text=(
      'Takes: frames (`log_mel` and what else is `[frames, bins]`), pictures, or samples '
      '(`waveform`, an `embedding`). Clips of `any` length have the logits that they have alone; '
      'those of `one` must be as long as one another; `up to` refuses what is longer than the '
      'longest of the training. Parameters are what is learned, for 10 labels of 49 frames of 40 '
      'mels or of 8,000 samples.'
    ),
  ),
  Family(
    title='Baselines',
    flag='trainer.baseline --model=',
    members=baselines.BASELINES,
    text="scikit-learn's, without TensorFlow.",
  ),
  Family(title='Strategies', flag='trainer --strategy=', members=strategies.STRATEGIES),
  Family(title='Schedules', flag='trainer --schedule=', members=schedules.SCHEDULES),
  Family(title='Optimizers', flag='trainer --optimizer=', members=optimizers.OPTIMIZERS),
)


def page() -> str:
  """Returns docs/reference.md as the code wants it."""
  parts = [_HEAD]
  for family in FAMILIES:
    parts += list(_family(family))
  parts += list(_endings())
  parts.append('## Programs\n')
  parts += list(_programs())
  return '\n'.join(parts).rstrip() + '\n'


def _family(family: Family) -> Iterator[str]:
  yield f'## {family.title}\n'
  yield f'`python -m {family.flag}name:key=value,...`\n'
  if family.text:
    yield f'{family.text}\n'
  groups = _groups(family.members)
  if family.members is models.MODELS:
    yield from _table(('model', 'takes', 'clips', 'parameters', 'source'), _model_rows())
  told = None
  for module, cls, names in groups:
    yield f'### {", ".join(f"`{name}`" for name in names)}\n'
    summary = getattr(family.members[names[0]], 'summary', '')
    if summary:
      yield f'{escaped(summary[0].upper() + summary[1:])}.\n'
    elif module is not told:  # Of several in one module it is said once.
      yield from (f'{paragraph}\n' for paragraph in paragraphs(module))
    told = module
    if dataclasses.is_dataclass(cls) and dataclasses.fields(cls):
      yield from _settings(cls)


def _groups(members: Mapping[str, Any]) -> list[tuple[types.ModuleType, Any, list[str]]]:
  """Returns members of one module and of one settings class together, in the table's order."""
  found: list[tuple[types.ModuleType, Any, list[str]]] = []
  for name, member in members.items():
    cls = member[0] if isinstance(member, tuple) else getattr(member, 'settings', None)
    module = module_of(member, cls)
    if found and found[-1][0] is module and found[-1][1] is cls:
      found[-1][2].append(name)
    else:
      found.append((module, cls, [name]))
  return found


def module_of(member: Any, cls: Any) -> types.ModuleType:
  """Returns the module that defines a member of a table."""
  return _definers().get(id(member)) or sys.modules[(cls or member).__module__]


@functools.cache
def _definers() -> Mapping[int, types.ModuleType]:
  """Returns by the identity of a value the first module, by name, that names it.

  Made once, when all of them are imported: it looks at every value of every module.
  """
  ours = [
    name for name in sys.modules if name.split('.')[0] in ('beam_jobs', 'features', 'trainer')
  ]
  found: dict[int, types.ModuleType] = {}
  for name in sorted(ours):
    if not hasattr(sys.modules[name], '__path__'):
      for value in vars(sys.modules[name]).values():
        found.setdefault(id(value), sys.modules[name])
  return found


def paragraphs(documented: Any) -> Iterator[str]:
  """Yields the paragraphs of a docstring as Markdown, up to its sections."""
  text = inspect.getdoc(documented) or ''
  for paragraph in re.split(r'\n\s*\n', text):
    if re.match(r'(Args|Attributes|Returns|Raises|Yields):', paragraph):
      return
    if paragraph.startswith('  '):
      yield f'```\n{inspect.cleandoc(paragraph)}\n```'
    else:
      yield escaped(' '.join(paragraph.split()))


def _settings(cls: type) -> Iterator[str]:
  said = attributes(cls)
  rows = [
    (f'`{field.name}`', _default(field), said.get(field.name, ''))
    for field in dataclasses.fields(cls)
  ]
  yield from _table(('setting', 'default', 'what it is'), rows)


def attributes(cls: type) -> dict[str, str]:
  """Returns what a class and those that it is made of say of their attributes, one line each."""
  found: dict[str, str] = {}
  for one in reversed(cls.__mro__):
    text = inspect.cleandoc(one.__dict__.get('__doc__') or '')
    _, _, section = text.partition('Attributes:\n')
    for entry in re.split(r'\n(?=  \w+: )', '\n' + section.split('\n\n')[0])[1:]:
      name, _, said = entry.strip().partition(': ')
      found[name] = escaped(' '.join(said.split()))
  return found


def escaped(text: str) -> str:
  """Returns a sentence in which Markdown reads no table and no tag."""
  parts = re.split(r'(`[^`]*`)', text)
  return ''.join(
    part.replace('|', '\\|') if i % 2 else re.sub(r'([<>*|])', r'\\\1', part)
    for i, part in enumerate(parts)
  )


def _default(field: dataclasses.Field) -> str:
  value = field.default
  if field.name == 'workers':  # That of this machine.
    return 'all cores'
  if isinstance(value, bool):
    value = str(value).lower()
  if isinstance(value, tuple):
    value = ','.join(map(str, value))
  shown = str(value).replace('|', '\\|')
  return f'`{shown}`' if shown else ''


def _model_rows() -> Iterator[tuple[str, ...]]:
  # Where a heading of some members begins, as GitHub calls it.
  anchors = {name: '-'.join(names) for _, _, names in _groups(models.MODELS) for name in names}
  for name, member in models.MODELS.items():
    size = (8_000,) if member.takes[0] == model_lib.Takes.SAMPLES else (49, 40)
    count = 'its own'
    if name != 'saved_model':
      count = f'{toy_models.parameters(name, size, num_labels=10):,}'
    takes = ', '.join(one.name.lower() for one in member.takes)
    clips = member.lengths.name.lower().replace('_', ' ')
    yield f'[`{name}`](#{anchors[name]})', takes, clips, count, escaped(member.source)


def _endings() -> Iterator[str]:
  yield '## Files that are read\n'
  yield 'The content decides which decoder takes a file, and not its name.\n'
  rows = [
    (who, ' '.join(f'`{suffix}`' for suffix in suffixes))
    for who, suffixes in (
      ('libsndfile, always there', _sndfile_suffixes()),
      ("FFmpeg, by `pip install 'voxshard[media]'`", medium.FFMPEG_SUFFIXES),
      ('pictures (Pillow)', medium.PICTURE_SUFFIXES),
    )
  ]
  yield from _table(('read by', 'files, by ending'), rows)


def _sndfile_suffixes() -> list[str]:
  return [one for one in medium.AUDIO_SUFFIXES if one not in medium.FFMPEG_SUFFIXES]


def _programs() -> Iterator[str]:
  known: dict[str, tuple[type, ...]] = {
    'beam_jobs.featurize': (job_flags._Flags, job_flags.Invocation),
    'beam_jobs.predict': (ask_flags.AskFlags, job_flags.Launch),
    'beam_jobs.download': (download.DownloadConfig,),
    **{name: (config,) for name, config in test_docs.TRAINER.items()},
    **{name: (config,) for name, (config, _) in test_docs.WITH_ARGUMENTS.items()},
  }
  for name, configs in known.items():
    yield f'### `python -m {name}`\n'
    yield from (f'{paragraph}\n' for paragraph in paragraphs(_documented(name, configs[-1])))
    rows = []
    for field in (field for config in configs for field in dataclasses.fields(config)):
      if 'help' in field.metadata:
        said = escaped(' '.join(field.metadata['help'].split()))
        if field.metadata['choices']:
          said += f' One of {", ".join(f"`{one}`" for one in field.metadata["choices"] if one)}.'
        rows.append((f'`--{field.name}`', _default(field), said))
    yield from _table(('flag', 'default', 'what it says'), rows)


def _documented(name: str, config: type) -> types.ModuleType:
  """Returns the module whose docstring --help prints: of the program, its flags, or its room."""
  program = importlib.import_module(name)
  found = [sys.modules[config.__module__], program]
  if hasattr(program, '__path__'):
    found.append(importlib.import_module(f'{name}.__main__'))
  if not any('\n  python -m' in (module.__doc__ or '') for module in found):
    names = [info.name for info in pkgutil.iter_modules(program.__path__, f'{name}.')]
    found += [module for module in map(importlib.import_module, names) if hasattr(module, 'main')]
  return max(found, key=lambda module: len(module.__doc__ or ''))


def _table(header: Sequence[str], rows: Any) -> Iterator[str]:
  lines = [header, ['---'] * len(header), *rows]
  yield '\n'.join(f'| {" | ".join(line)} |' for line in lines) + '\n'


def load_all() -> None:
  """Imports every module of the families, so that each member's is found."""
  for package in (sources, downloading, effects, features, augmentations, augment,
                  baselines, models):  # fmt: skip
    for info in pkgutil.iter_modules(package.__path__, f'{package.__name__}.'):
      if not info.name.endswith('__main__'):
        importlib.import_module(info.name)


if __name__ == '__main__':
  load_all()
  PATH.write_text(page(), encoding='utf-8')
