"""The data job's command line: our flags, and Beam's options beside them.

Only `to_config` and `Invocation` see a flag. A DoFn that read one would pass in process and fail in
a worker process, where Beam puts the worker's own, empty flags.
"""

import argparse
import contextlib
import dataclasses
import io
import os
from collections.abc import Sequence

from absl import flags
from apache_beam.options import pipeline_options

import features
from beam_jobs import config as config_lib
from beam_jobs import rules, sources
from features import augmentations, effects
from schemas import audio, errors, options, splits
from schemas import medium as media

DEFAULT_FEATURES = {media.AUDIO: 'log_mel', media.PICTURES: 'image'}
DEFAULT_SOURCE = 'synthetic'
DEFAULT_OUTPUT = 'demo/data'
# Names under which Beam's users know the runner that stays on this machine.
LOCAL_RUNNERS = ('', 'DirectRunner', 'FnApiRunner')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Invocation:
  """What one command line asks for.

  Attributes:
    config: The job, as its workers see it.
    runner: Name of a Beam runner; one of LOCAL_RUNNERS for local workers.
    workers: Local worker processes; 0 runs the job in the launcher's process.
    beam_arguments: Options that are Beam's.
    tfds_metadata: Write what TFDS needs to open the folder.
    debug: Show what Beam logs.
    plan: Only say what would be done.
  """

  config: config_lib.FeaturizeConfig
  runner: str
  workers: int
  beam_arguments: tuple[str, ...]
  tfds_metadata: bool
  debug: bool
  plan: bool

  @property
  def is_local(self) -> bool:
    """Whether launcher and workers are on this machine."""
    return self.runner in LOCAL_RUNNERS


def define(flag_values: flags.FlagValues) -> None:
  """Defines the data job's flags."""

  def text(name: str, default: str, description: str) -> None:
    flags.DEFINE_string(name, default, description, flag_values=flag_values)

  text('source', DEFAULT_SOURCE, 'Where clips come from: name:key=value,... (table in README).')
  text('input', '', "Folder of the corpus (or its table), local or gs://; or the source's own.")
  text('output', '', f'Folder for the data set. {DEFAULT_OUTPUT} for the demo corpus.')
  text('name', '', "The data set's name in file names. By default the source's.")
  _define_repeatable(flag_values)
  text('split_by', 'speaker', 'What stays in one split: speaker, clip, or FIELD:test=0-4,...')
  text('runner', '', 'A Beam runner, such as DataflowRunner. By default local worker processes.')
  _define_choices(flag_values)
  _define_numbers(flag_values)
  flags.DEFINE_boolean(
    'plan', False, 'Say what would be done, without opening any audio.', flag_values=flag_values
  )
  flags.DEFINE_boolean(
    'overwrite', False, 'Throw away what is in --output, of whatever settings, and begin anew.',
    flag_values=flag_values,
  )  # fmt: skip
  flags.DEFINE_boolean(
    'tfds_metadata', True, 'Let tfds.builder_from_directory open the folder.',
    flag_values=flag_values,
  )  # fmt: skip
  flags.DEFINE_boolean('debug', False, 'Show tracebacks and logs.', flag_values=flag_values)


def _define_repeatable(flag_values: flags.FlagValues) -> None:
  def several(name: str, description: str) -> None:
    flags.DEFINE_multi_string(
      name, [], f'{description}: name:key=value,... Repeatable.', flag_values=flag_values
    )

  several('feature', 'A feature to store (log_mel; of pictures, image)')
  several('effect', "Something done to every clip's samples, in this order")
  several('augment', 'Something done to copies of the train clips, in this order')


def _define_choices(flag_values: flags.FlagValues) -> None:
  flags.DEFINE_enum(
    'clip_position', audio.START, audio.POSITIONS,
    'Which part of longer audio is kept, and where shorter audio stands in the padding.',
    flag_values=flag_values,
  )  # fmt: skip
  flags.DEFINE_enum(
    'balance', rules.NONE, rules.BALANCES,
    'As many train clips of every label as of the rarest, or of the most frequent one.',
    flag_values=flag_values,
  )  # fmt: skip


def _define_numbers(flag_values: flags.FlagValues) -> None:
  def integer(name: str, default: int, lowest: int, description: str) -> None:
    flags.DEFINE_integer(name, default, description, lower_bound=lowest, flag_values=flag_values)

  def number(name: str, default: float, description: str) -> None:
    flags.DEFINE_float(name, default, description, lower_bound=0.0, flag_values=flag_values)

  integer('sample_rate_hz', 16_000, 1, 'Rate that every clip is brought to.')
  number('clip_seconds', 1.0, 'Length that every clip is cut or padded to; 0 leaves them be.')
  number('min_clip_seconds', 0.0, 'Shorter clips are rejected.')
  number('max_clip_seconds', 60.0, 'With --clip_seconds=0, longer clips are rejected.')
  number('trim_silence_db', 0.0, 'Drop what is so far below the loudest, at both ends; 0: nothing.')
  number(
    'sample', 1.0, 'Take this share of the clips, by whole speakers, of all splits and labels.'
  )
  integer('max_per_label', 0, 0, 'At most so many clips of a label in each split; 0: all.')
  integer('max_per_speaker', 0, 0, 'At most so many clips of a speaker in each split; 0: all.')
  flags.DEFINE_integer(
    'augment_copies', None, 'Copies of each train clip for --augment; 1 if not given.',
    lower_bound=0, flag_values=flag_values,
  )  # fmt: skip
  number('validation_fraction', 0.1, 'Share of the speakers for validation.')
  number('test_fraction', 0.1, 'Share of the speakers for the test.')
  number('max_reject_fraction', 0.05, 'More rejects than this share fail the job at its end.')
  integer('seed', 0, 0, 'Another seed gives other splits and another order of records.')
  integer('shard_mib', 128, 1, 'Largest size of a shard, about, in MiB.')
  integer('min_train_shards', 16, 1, 'At least so many train shards, where there are clips enough.')
  integer(
    'workers', os.cpu_count() or 1, 0,
    'Local worker processes; 0 runs the job in this process.',
  )  # fmt: skip


def help_text() -> str:
  """Returns the description of every flag of ours."""
  flag_values = flags.FlagValues()
  define(flag_values)
  return str(flag_values.get_help())


def parse(argv: Sequence[str]) -> Invocation:
  """Reads a command line.

  Raises:
    ConfigError: for a flag that neither we nor Beam know, and for every wrong value.
  """
  flag_values = flags.FlagValues()
  define(flag_values)
  try:
    left_over = flag_values(['featurize', *argv], known_only=True)[1:]
  except flags.Error as error:
    raise errors.ConfigError(f'{error}. See --help.') from error
  check_beam_arguments(left_over, known=list(flag_values))
  return Invocation(
    config=to_config(flag_values),
    runner=flag_values['runner'].value,
    workers=flag_values['workers'].value,
    beam_arguments=tuple(left_over),
    tfds_metadata=flag_values['tfds_metadata'].value,
    debug=flag_values['debug'].value,
    plan=flag_values['plan'].value,
  )


def to_config(flag_values: flags.FlagValues) -> config_lib.FeaturizeConfig:
  """Turns parsed flags into the job's configuration; nothing below sees a flag."""

  def value(name: str) -> object:
    return flag_values[name].value

  settings_by_name = {name: source.settings for name, source in sources.SOURCES.items()}
  source, source_settings = options.parse(value('source'), settings_by_name, family='source')
  medium = sources.SOURCES[source].medium
  spec = _audio(flag_values) if medium == media.AUDIO else None
  copies = value('augment_copies')
  return config_lib.FeaturizeConfig(
    source=source,
    source_settings=source_settings,
    input=_input(source, value('input')),
    output=_output(source, value('output')),
    name=value('name') or source,
    features=tuple(
      features.spec(name, settings, spec)
      for name, settings in map(features.parse, value('feature') or [DEFAULT_FEATURES[medium]])
    ),
    audio=spec,
    min_clip_s=value('min_clip_seconds'),
    selection=rules.SelectionRule(
      sample=value('sample'),
      max_per_speaker=value('max_per_speaker'),
      max_per_label=value('max_per_label'),
      balance=value('balance'),
    ),
    augmentations=tuple(
      options.format_option(*augmentations.parse(text)) for text in value('augment')
    ),
    augment_copies=int(bool(value('augment'))) if copies is None else copies,
    split_by=rules.SplitRule.parse(value('split_by')),
    fractions=options.build(
      splits.SplitFractions,
      {'validation': value('validation_fraction'), 'test': value('test_fraction')},
      where='--validation_fraction and --test_fraction',
    ),
    seed=value('seed'),
    shard_bytes=value('shard_mib') << 20,
    min_train_shards=value('min_train_shards'),
    max_reject_fraction=value('max_reject_fraction'),
    overwrite=value('overwrite'),
  )


def _audio(flag_values: flags.FlagValues) -> audio.AudioSpec:
  """Returns the form that clips are brought to."""

  def value(name: str) -> object:
    return flag_values[name].value

  return options.build(
    audio.AudioSpec,
    {
      'sample_rate_hz': value('sample_rate_hz'),
      'clip_s': value('clip_seconds'),
      'max_clip_s': value('max_clip_seconds'),
      'position': value('clip_position'),
      'trim_db': value('trim_silence_db'),
      'effects': tuple(options.format_option(*effects.parse(text)) for text in value('effect')),
    },
    where='--sample_rate_hz, --clip_seconds and the flags of the audio',
  )


def _input(source: str, given: str) -> str:
  default = sources.SOURCES[source].default_input
  wanted = 'FILE, the table' if sources.SOURCES[source].takes_file else 'FOLDER, the folder'
  if not (given or default):
    raise errors.ConfigError(
      f'--source={source} needs --input={wanted} of the corpus; none was given.'
    )
  return (given or default).rstrip('/') or '/'


def _output(source: str, given: str) -> str:
  if not given and source != DEFAULT_SOURCE:
    raise errors.ConfigError('--output=FOLDER, the folder for the data set, was not given.')
  return (given or DEFAULT_OUTPUT).rstrip('/') or '/'


def check_beam_arguments(arguments: Sequence[str], *, known: Sequence[str]) -> None:
  """Raises ConfigError for what is no option of Beam either, naming the nearest known one.

  Beam itself would carry a mistyped flag along and ignore it.
  """
  beam = _beam_options()
  expects_value = False
  for argument in arguments:
    if not argument.startswith('-'):
      if not expects_value:
        raise errors.ConfigError(
          f'Expected flags such as --input=FOLDER, got {argument!r}. See --help.'
        )
      expects_value = False
      continue
    name, equals, _ = argument.partition('=')
    if name not in beam:
      everything = [*(f'--{flag}' for flag in known), *beam]
      raise errors.ConfigError(
        f'No flag is called {name!r}, neither here nor in Beam.'
        f'{options.did_you_mean(name, everything)} See --help.'
      )
    expects_value = not equals and beam[name].nargs != 0


def _beam_options() -> dict[str, argparse.Action]:
  """Returns every option string that a PipelineOptions class of Beam defines."""
  parser = argparse.ArgumentParser(allow_abbrev=False, conflict_handler='resolve', add_help=False)
  for cls in sorted(pipeline_options.PipelineOptions.__subclasses__(), key=lambda c: c.__name__):
    if cls.__module__ == pipeline_options.__name__:
      cls._add_argparse_args(parser)
  return dict(parser._option_string_actions)


def beam_options(arguments: Sequence[str]) -> pipeline_options.PipelineOptions:
  """Returns Beam's options; ConfigError where Beam refuses a value."""
  complaint = io.StringIO()
  try:
    with contextlib.redirect_stderr(complaint):
      parsed = pipeline_options.PipelineOptions(list(arguments))
      parsed.get_all_options()
  except SystemExit as error:
    said = complaint.getvalue().strip().splitlines()
    raise errors.ConfigError(f'Beam says: {said[-1] if said else error}') from error
  return parsed
