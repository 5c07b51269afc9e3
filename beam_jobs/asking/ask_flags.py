"""The command line of `python -m beam_jobs.predict`: our flags, and Beam's options beside them."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from absl import flags as absl_flags

from beam_jobs import sources
from beam_jobs.asking import ask_config, finding_model
from beam_jobs.launching import flags as launch_flags
from exports import answer_rows, submissions, windows
from features.decoding import deadline
from schemas import errors
from tfrecords import command_line, paths, storage

flag = command_line.flag

# What the flags are about, for --help.
_GROUPS = {
  'Who is asked': ('model', 'export_flags'),
  'What is heard': ('source', 'input', 'all_files', 'window_s', 'hop_s'),
  'What is written, and where': ('output', 'format', 'top', 'probabilities', 'overwrite'),
  'How the job runs': (
    'runner', 'workers', 'model_threads', 'batch_clips', 'shard_clips', 'max_reject_fraction',
    'max_decode_s', 'debug',
  ),
}  # fmt: skip
_BEHIND_HELP = (
  'Sources are those of python -m beam_jobs.featurize, whose --help has their settings. Options of '
  'Beam, such as --temp_location, stand beside these flags.'
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AskFlags(windows.WindowFlags):
  """The flags of the job, as they were typed."""

  model: str = flag(
    '',
    'Folder of an export (python -m trainer.export), also in a bucket; or of a run, which is '
    'exported into the output first.',
    is_path=True,
  )
  export_flags: str = flag(
    '', "Of a run: what trainer.export is told beside, such as '--calibrated --none_of_these'."
  )
  source: str = flag('', 'Where clips come from: name:key=value,... as for the data job.')
  input: str = flag(
    '', "Folder of the corpus (or its table), local, gs:// or s3://; or the source's own."
  )
  all_files: bool = flag(
    False, 'Take every file for audio that is not named like text, pictures or archives.'
  )
  output: str = flag('', 'Folder for the answers.', is_path=True)
  format: str = flag(
    ask_config.PARQUET,
    'How answers are written. kaggle: one file of fname,label with the 12 labels of the TensorFlow '
    'Speech Recognition Challenge.',
    choices=tuple(ask_config.FORMATS),
  )
  top: int = flag(
    3,
    'How many labels are said of each clip.',
    lower_bound=1,
    idle_with=('probabilities=all', 'format=kaggle'),
  )
  probabilities: str = flag(
    answer_rows.TOP,
    'Whether the probabilities of --top labels are said, or those of all.',
    choices=answer_rows.PROBABILITIES,
    idle_with=('format=kaggle',),
  )
  batch_clips: int = flag(
    ask_config.BATCH_CLIPS, 'Clips of which the model is asked at a time.', lower_bound=1
  )
  shard_clips: int = flag(
    ask_config.SHARD_CLIPS, 'Clips or recordings in a shard, at most.', lower_bound=1
  )
  model_threads: int = flag(
    1,
    'Threads of TensorFlow in each worker process: more than one where workers are fewer than '
    'cores.',
    lower_bound=1,
  )
  max_decode_s: float = flag(
    deadline.DEFAULT_S,
    'Clips whose decoding takes longer, in seconds of processor time, are rejected.',
    lower_bound=0.001,
  )
  max_reject_fraction: float = flag(
    0.05, 'More rejects than this share fail the job at its end.', lower_bound=0
  )
  overwrite: bool = flag(
    False, 'Throw away the answers in --output, of whatever settings, and begin anew.'
  )

  def __post_init__(self) -> None:
    for name, what in (
      ('model', 'an export or a run'),
      ('source', 'such as unlabelled; see python -m beam_jobs.featurize --help'),
      ('output', 'a folder for the answers'),
    ):
      if not getattr(self, name):
        raise errors.ConfigError(f'--{name}={name.upper()}, {what}, was not given.')
    storage.check_output(self.output)
    if not 0 <= self.max_reject_fraction <= 1:
      raise errors.ConfigError(
        f'--max_reject_fraction must be in [0, 1], got {self.max_reject_fraction}.'
      )
    command_line.check_idle(self)
    finding_model.check_flags(self.export_flags)
    self.check_windows()
    if self.format == submissions.KAGGLE and self.window_s:
      raise errors.ConfigError(
        f'--format={submissions.KAGGLE} has one answer for each file: leave --window_s away.'
      )


@dataclasses.dataclass(frozen=True, kw_only=True)
class AskInvocation(launch_flags.Launch):
  """What one command line asks for.

  Attributes:
    asked: The flags of the job.
    source: Name of the source.
    source_settings: Its settings.
    input: Its folder or table.
  """

  asked: AskFlags
  source: str
  source_settings: Any
  input: str

  def settings(self) -> dict[str, Any]:
    """Returns what decides the bytes of the answers, but for the model and the audio."""
    asked = self.asked
    return {
      'source': sources.shown(self.source, self.source_settings),
      'input': errors.shown(self.input),
      'all_files': asked.all_files,
      'format': asked.format,
      'top': asked.top,
      'probabilities': asked.probabilities,
      'window_s': asked.window_s,
      'hop_s': asked.hop_s or asked.window_s,
      'batch_clips': asked.batch_clips,
      'shard_clips': asked.shard_clips,
      'answers_version': ask_config.ANSWERS_VERSION,
    }


def define() -> absl_flags.FlagValues:
  """Returns the flags of the job."""
  flag_values = absl_flags.FlagValues()
  command_line.define(AskFlags, flag_values)
  command_line.define(launch_flags.Launch, flag_values)
  return flag_values


def help_text(description: str) -> str:
  """Returns what the program does, and every flag of ours."""
  return f'{command_line.help_text(description, define(), _GROUPS)}\n\n{_BEHIND_HELP}'


def parse(argv: Sequence[str]) -> AskInvocation:
  """Reads a command line.

  Raises:
    ConfigError: for a flag that neither we nor Beam know, and for every wrong value.
  """
  flag_values = define()
  left_over = launch_flags.beams(flag_values, argv)
  asked = command_line.read(AskFlags, flag_values)
  source, settings = sources.parse(asked.source)
  sources.check_of_audio(source, asked, ['all_files', 'max_decode_s'])
  asked = dataclasses.replace(asked, output=paths.folder(asked.output))
  return command_line.read(
    AskInvocation,
    flag_values,
    beam_arguments=left_over,
    asked=asked,
    source=source,
    source_settings=settings,
    input=sources.input_of(source, asked.input),
  )
