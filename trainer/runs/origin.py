"""The run that another one begins with: what --init_from names. Imports no TensorFlow."""

from __future__ import annotations

import dataclasses
import os

from schemas import audio, errors, options, record
from trainer.runs import run_folder, saved_run

_ENDING = '.keras'
# What may be another for the same trunk: how long clips are, and what of a file they are.
_LENGTHS = ('clip_s', 'max_clip_s', 'position')
_HEAD_SETTINGS = ('dropout',)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Origin:
  """Where a trunk comes from.

  Attributes:
    named: What --init_from said.
    checkpoint: The .keras file.
    run: The run that the file is of; None for a file that lies alone.
  """

  named: str
  checkpoint: str
  run: saved_run.SavedRun | None

  @property
  def labels(self) -> tuple[str, ...]:
    """Those of the run; () where nobody knows them."""
    return self.run.manifest.labels if self.run else ()

  @property
  def graphs_dir(self) -> str:
    """Where the run keeps what its model has of a file; '' for a file that lies alone."""
    return self.run.folder.graphs_dir if self.run else ''

  @property
  def taken(self) -> record.FeatureSpec | None:
    """What its trunk takes: the run's feature, or what the model computed of it."""
    if self.run is None:
      return None
    computed = self.run.folder.read_config().get('computed')
    return (
      record.FeatureSpec.from_json(computed, where='computed') if computed else self.run.feature
    )


def find(named: str) -> Origin:
  """Returns what a path names: a run folder, or a .keras file in one or alone.

  Raises:
    ConfigError: if there is none.
  """
  if os.path.isdir(named):
    run = saved_run.load(named)
    run.check_network()
    checkpoint = run.folder.checkpoint_file(run_folder.BEST)
    if not os.path.exists(checkpoint):
      raise errors.ConfigError(
        f'--init_from={named}: the run has no checkpoint {checkpoint!r} yet. Train it for an epoch '
        'at least, or name another run.'
      )
    return Origin(named=named, checkpoint=checkpoint, run=run)
  if not os.path.isfile(named) or not named.endswith(_ENDING):
    what = 'it is another file' if os.path.exists(named) else 'there is no such file or folder'
    raise errors.ConfigError(
      f'--init_from={named}: expected the --run_dir of a run of the trainer or a {_ENDING} file of '
      f'one; {what}.'
    )
  folder = os.path.dirname(os.path.dirname(os.path.abspath(named)))
  is_of_run = os.path.exists(run_folder.RunFolder(folder).config_file)
  return Origin(named=named, checkpoint=named, run=saved_run.load(folder) if is_of_run else None)


def model_text(named: str) -> str:
  """Returns the model of what --init_from names, such as `cnn:filters=64`; '' if nobody knows."""
  if not os.path.exists(named):  # To be refused when it is looked for.
    return ''
  found = find(named)
  return found.run.model_text if found.run else ''


def check_model(origin: Origin, model: str, settings: object) -> None:
  """Raises ConfigError if a model is another than the run's, but for what its head drops.

  Args:
    origin: Where the trunk comes from.
    model: The name of the model that is to be trained.
    settings: Its settings.
  """
  if origin.run is None:
    return
  name, _, text = origin.run.model_text.partition(':')
  asked = options.format_option(model, settings)
  if name != model or _trunk_settings(text) != _trunk_settings(asked.partition(':')[2]):
    raise errors.ConfigError(
      f'--init_from={origin.named} is a run of --model={origin.run.model_text}, but --model is '
      f'{asked}. Leave --model away, or name a run of this model.'
    )


def check_feature(
  origin: Origin, feature: record.FeatureSpec, spec: audio.AudioSpec | None
) -> None:
  """Raises ConfigError if a trunk was trained on something else than a feature.

  Clips may be of another length; whether the trunk can take that only its weights tell.

  Args:
    origin: Where the trunk comes from.
    feature: What it is to take.
    spec: The form of the clips.
  """
  wanted = origin.taken
  if wanted is None or origin.run is None:
    return
  theirs, here = _audio_fields(origin.run.manifest.audio), _audio_fields(spec)
  if wanted.name == feature.name:  # Of two features all settings differ, which says nothing.
    theirs, here = {**_fields(wanted), **theirs}, {**_fields(feature), **here}
  taken, given = errors.differing(theirs, here)
  if taken or wanted.name != feature.name:
    raise errors.ConfigError(
      f'--init_from={origin.named}: its trunk takes {wanted.name}{_with(taken)}; this data gives '
      f'{feature.name}{_with(given)}. Make the feature by the settings of that run '
      '(of the data job, such as --feature and --sample_rate_hz, or --compute), or name a run that '
      'was trained on this one.'
    )


def _trunk_settings(text: str) -> list[str]:
  return [part for part in text.split(',') if part.partition('=')[0] not in _HEAD_SETTINGS]


def _fields(feature: record.FeatureSpec) -> dict[str, object]:
  return {'bins': list(feature.shape[1:]), **feature.settings}


def _with(settings: str) -> str:
  return f' with {settings}' if settings else ''


def _audio_fields(spec: audio.AudioSpec | None) -> dict[str, object]:
  fields = dataclasses.asdict(spec) if spec else {}
  return {name: value for name, value in fields.items() if name not in _LENGTHS}
