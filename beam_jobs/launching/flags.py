"""The data job's command line: our flags, and Beam's options beside them.

Only this module sees a flag. A DoFn that read one would pass in process and fail in
a worker process, where Beam puts the worker's own, empty flags.
"""

import argparse
import contextlib
import dataclasses
import io
import textwrap
from collections.abc import Sequence

from absl import flags as absl_flags
from apache_beam.options import pipeline_options

import features
from beam_jobs import config as config_lib
from beam_jobs import rules, sources
from beam_jobs.launching import probing
from features import augmentations, effects
from features.decoding import deadline
from schemas import audio, errors, options, splits
from schemas import medium as media
from tfrecords import command_line, paths
from tfrecords.resources import cores

flag = command_line.flag

DEFAULT_FEATURES = {media.AUDIO: features.DEFAULT, media.PICTURES: 'image'}
DEFAULT_SOURCE = 'synthetic'
DEFAULT_OUTPUT = 'demo/data'
_REPEATABLE = ': name:key=value,... Repeatable.'
# Fields of an AudioSpec that are called otherwise on the command line.
_AUDIO_FLAGS = {
  'clip_s': 'clip_seconds',
  'max_clip_s': 'max_clip_seconds',
  'position': 'clip_position',
  'trim_db': 'trim_silence_db',
}
# What is said of audio alone.
_OF_AUDIO = (
  'sample_rate_hz', 'channel', 'full_scale', 'clip_seconds', 'clip_position', 'min_clip_seconds',
  'max_clip_seconds', 'trim_silence_db', 'effect', 'max_decode_s',
)  # fmt: skip
# What the flags are about, for --help.
_GROUPS = {
  'What is read': (
    'source', 'input', 'all_files', 'corrections', 'sample', 'max_per_label', 'max_per_speaker',
    'balance', 'duplicates',
  ),
  'How clips are prepared': (
    'sample_rate_hz', 'channel', 'full_scale', 'clip_seconds', 'clip_position',
    'min_clip_seconds', 'max_clip_seconds', 'trim_silence_db', 'effect', 'augment',
    'augment_copies',
  ),
  'Who is in which split': ('split_by', 'validation_fraction', 'test_fraction', 'seed'),
  'What is stored, and where': (
    'output', 'name', 'feature', 'fields', 'shard_mib', 'min_train_shards', 'tfds_metadata',
    'overwrite',
  ),
  'How the job runs': (
    'plan', 'probe', 'runner', 'workers', 'max_reject_fraction', 'max_decode_s', 'debug',
  ),
}  # fmt: skip
_FAMILIES = {
  ('Sources', '--source=name:key=value,...'): sources.SETTINGS,
  ('Features', '--feature=name:key=value,...'): features.SETTINGS,
  ('Effects', '--effect=name:key=value,...'): effects.SETTINGS,
  ('Augmentations', '--augment=name:key=value,...'): augmentations.SETTINGS,
}
_BEHIND_HELP = (
  'README.md says what each is. Options of Beam, such as --temp_location, stand beside these flags.'
)
# Names under which Beam's users know the runner that stays on this machine.
LOCAL_RUNNERS = ('', 'DirectRunner', 'FnApiRunner')


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Flags:
  """The flags of the job, as they were typed."""

  source: str = flag(DEFAULT_SOURCE, 'Where clips come from: name:key=value,... (below).')
  input: str = flag(
    '', "Folder of the corpus (or its table), local, gs:// or s3://; or the source's own."
  )
  output: str = flag(
    '', f'Folder for the data set. {DEFAULT_OUTPUT} for the demo corpus.', is_path=True
  )
  name: str = flag('', "The data set's name in file names. By default the source's.")
  feature: tuple[str, ...] = flag(
    (), f'A feature to store ({features.DEFAULT}; of pictures, image){_REPEATABLE}'
  )
  effect: tuple[str, ...] = flag(
    (), f"Something done to every clip's samples, in this order{_REPEATABLE}"
  )
  augment: tuple[str, ...] = flag(
    (), f'Something done to copies of the train clips, in this order{_REPEATABLE}'
  )
  split_by: str = flag('speaker', 'What stays in one split: speaker, clip, or FIELD:test=0-4,...')
  fields: str = flag(
    rules.ALL, 'What else the source says of a clip stands in its record: all, none or age,device.'
  )
  clip_position: str = flag(
    audio.START,
    'Which part of longer audio is kept, and where shorter audio stands in the padding.',
    choices=audio.POSITIONS,
    idle_with=('clip_seconds=0',),
  )
  balance: str = flag(
    rules.NONE,
    'As many train clips of every label as of the rarest, or of the most frequent one.',
    choices=rules.BALANCES,
  )
  duplicates: str = flag(
    rules.KEEP,
    'What becomes of clips with the same samples: they are counted and named, or all but the first '
    'are left out, or they stay in one split. drop and group read all audio twice.',
    choices=rules.DUPLICATES,
  )
  channel: str = flag(
    audio.MIX,
    'Which channel is heard: mix (the mean of all), loudest, left, right, or its number from 1 on.',
  )
  full_scale: float = flag(
    1.0, 'What is full scale in files of floating-point samples, such as 32768.', lower_bound=0
  )
  sample_rate_hz: int = flag(16_000, 'Rate that every clip is brought to.', lower_bound=1)
  clip_seconds: float = flag(
    1.0, 'Length that every clip is cut or padded to; 0 leaves them be.', lower_bound=0
  )
  min_clip_seconds: float = flag(0.0, 'Shorter clips are rejected.', lower_bound=0)
  max_decode_s: float = flag(
    deadline.DEFAULT_S,
    'Clips whose decoding takes longer, in seconds of processor time, are rejected.',
    lower_bound=0.001,
  )
  all_files: bool = flag(
    False, 'Take every file for audio that is not named like text, pictures or archives.'
  )
  corrections: str = flag(
    '',
    'A CSV file of corrections (id,action,label), such as the page of trainer.suspects saves: '
    'clips that get another label, or are left out.',
    is_path=True,
  )
  max_clip_seconds: float = flag(
    60.0,
    'With --clip_seconds=0, longer clips are rejected.',
    lower_bound=0,
    needs=('clip_seconds=0',),
  )
  trim_silence_db: float = flag(
    0.0, 'Drop what is so far below the loudest, at both ends; 0: nothing.', lower_bound=0
  )
  sample: float = flag(
    1.0,
    'Take this share of the clips, by whole speakers, of all splits and labels.',
    lower_bound=0,
  )
  max_per_label: int = flag(
    0, 'At most so many clips of a label in each split; 0: all.', lower_bound=0
  )
  max_per_speaker: int = flag(
    0, 'At most so many clips of a speaker in each split; 0: all.', lower_bound=0
  )
  augment_copies: int | None = flag(
    None, 'Copies of each train clip for --augment; 1 if not given.', lower_bound=0
  )
  validation_fraction: float = flag(0.1, 'Share of the speakers for validation.', lower_bound=0)
  test_fraction: float = flag(0.1, 'Share of the speakers for the test.', lower_bound=0)
  max_reject_fraction: float = flag(
    0.05, 'More rejects than this share fail the job at its end.', lower_bound=0
  )
  seed: int = flag(
    0, 'Another seed gives other splits and another order of records.', lower_bound=0
  )
  shard_mib: int = flag(128, 'Largest size of a shard, about, in MiB.', lower_bound=1)
  min_train_shards: int = flag(
    16, 'At least so many train shards, where there are clips enough.', lower_bound=1
  )
  tfds_metadata: bool = flag(True, 'Let tfds.builder_from_directory open the folder.')
  overwrite: bool = flag(
    False, 'Throw away what is in --output, of whatever settings, and begin anew.'
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Launch:
  """How a job is run, whatever it does.

  Attributes:
    beam_arguments: Options that are Beam's.
  """

  beam_arguments: tuple[str, ...]
  runner: str = flag(
    '', 'A Beam runner, such as DataflowRunner. By default local worker processes.'
  )
  workers: int = flag(
    cores.usable(),
    'Local worker processes; 0 runs the job in this process. By default one for each core that '
    'this process may use (affinity, the share of a container).',
    lower_bound=0,
  )
  debug: bool = flag(False, 'Show tracebacks and logs.')

  @property
  def is_local(self) -> bool:
    """Whether launcher and workers are on this machine."""
    return self.runner in LOCAL_RUNNERS


@dataclasses.dataclass(frozen=True, kw_only=True)
class Invocation(Launch):
  """What one command line asks for: the job, and the flags that are not the job's.

  Attributes:
    config: The job, as its workers see it.
  """

  config: config_lib.FeaturizeConfig
  plan: bool = flag(False, 'Say what would be done, without opening any audio.')
  probe: bool = flag(
    False,
    f'With --plan: read the headers of up to {probing.MOST_CLIPS:,} clips, for their lengths.',
    needs=('plan',),
  )


def define() -> absl_flags.FlagValues:
  """Returns the data job's flags."""
  flag_values = absl_flags.FlagValues()
  command_line.define(_Flags, flag_values)
  command_line.define(Invocation, flag_values)
  return flag_values


def help_text(description: str) -> str:
  """Returns what the program does, every flag of ours, and what they can name with its settings."""
  parts = [command_line.help_text(description, define(), _GROUPS)]
  for (title, written), settings in _FAMILIES.items():
    parts += ['', f'{title}, {written}:']
    for name, cls in sorted(settings.items()):
      text = f'{name}: {options.defaults(cls) or "no settings"}'
      parts.append(textwrap.fill(text, 96, initial_indent='  ', subsequent_indent=' ' * 6))
  return '\n'.join([*parts, '', _BEHIND_HELP])


def parse(argv: Sequence[str]) -> Invocation:
  """Reads a command line.

  Raises:
    ConfigError: for a flag that neither we nor Beam know, and for every wrong value.
  """
  flag_values = define()
  left_over = beams(flag_values, argv)
  config = _config(command_line.read(_Flags, flag_values))
  invocation: Invocation = command_line.read(
    Invocation, flag_values, config=config, beam_arguments=left_over
  )
  command_line.check_idle(invocation)
  return invocation


def beams(flag_values: absl_flags.FlagValues, argv: Sequence[str]) -> tuple[str, ...]:
  """Reads the flags that are ours; returns the options that are Beam's.

  Raises:
    ConfigError: for a flag that neither we nor Beam know, and for a value of another type.
  """
  try:
    left_over = flag_values(['program', *argv], known_only=True)[1:]
  except absl_flags.Error as error:
    raise command_line.reworded(flag_values, str(error)) from error
  check_beam_arguments(left_over, known=list(flag_values))
  return tuple(left_over)


def _config(typed: _Flags) -> config_lib.FeaturizeConfig:
  """Turns the flags into the job's configuration."""
  command_line.check_idle(typed)
  source, source_settings = sources.parse(typed.source)
  medium = sources.SOURCES[source].medium
  sources.check_of_audio(source, typed, _OF_AUDIO)
  spec = _audio(typed) if medium == media.AUDIO else None
  copies = typed.augment_copies
  return config_lib.FeaturizeConfig(
    source=source,
    source_settings=source_settings,
    input=sources.input_of(source, typed.input),
    output=_output(source, typed.output),
    name=typed.name or source,
    features=tuple(
      features.spec(name, settings, spec)
      for name, settings in map(features.parse, typed.feature or [DEFAULT_FEATURES[medium]])
    ),
    audio=spec,
    min_clip_s=typed.min_clip_seconds,
    max_decode_s=typed.max_decode_s,
    all_files=typed.all_files,
    corrections=typed.corrections,
    selection=rules.SelectionRule(
      sample=typed.sample,
      max_per_speaker=typed.max_per_speaker,
      max_per_label=typed.max_per_label,
      balance=typed.balance,
    ),
    augmentations=tuple(
      options.format_option(*augmentations.parse(text)) for text in typed.augment
    ),
    augment_copies=int(bool(typed.augment)) if copies is None else copies,
    fields=rules.FieldRule(text=typed.fields),
    duplicates=typed.duplicates,
    split_by=rules.SplitRule.parse(typed.split_by),
    fractions=options.build(
      splits.SplitFractions,
      {'validation': typed.validation_fraction, 'test': typed.test_fraction},
      where='--validation_fraction and --test_fraction',
    ),
    seed=typed.seed,
    shard_bytes=typed.shard_mib << 20,
    min_train_shards=typed.min_train_shards,
    max_reject_fraction=typed.max_reject_fraction,
    tfds_metadata=typed.tfds_metadata,
    overwrite=typed.overwrite,
  )


def _audio(typed: _Flags) -> audio.AudioSpec:
  """Returns the form that clips are brought to."""
  effect = tuple(options.format_option(*effects.parse(text)) for text in typed.effect)
  try:
    return audio.AudioSpec(
      sample_rate_hz=typed.sample_rate_hz,
      clip_s=typed.clip_seconds,
      max_clip_s=typed.max_clip_seconds,
      position=typed.clip_position,
      trim_db=typed.trim_silence_db,
      channel=typed.channel,
      full_scale=typed.full_scale,
      effects=effect,
    )
  except errors.SchemaError as error:
    # It begins with a name of its own: the user knows the flag's.
    name, space, rest = str(error).partition(' ')
    raise errors.ConfigError(f'--{_AUDIO_FLAGS.get(name, name)}{space}{rest}') from error


def _output(source: str, given: str) -> str:
  if not given and source != DEFAULT_SOURCE:
    raise errors.ConfigError('--output=FOLDER, the folder for the data set, was not given.')
  return paths.folder(given or DEFAULT_OUTPUT)


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
