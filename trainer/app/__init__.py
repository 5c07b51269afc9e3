"""A page to talk to a trained model: speak, upload a file, or pick a clip that it was tested on.

  python -m trainer.app --run_dir=runs/words
  python -m trainer.app --run_dir=runs/words --beside=runs/other --calibrated --none_of_these
  python -m trainer.app --model=exports/words --keep=kept --port=0

The page shows what was heard, how it sounds and looks, and the likeliest labels; with --beside,
what a second model says of the same. It is for this machine alone unless --host says otherwise, and
asks nobody else for anything. What is uploaded is deleted as soon as it was heard; with --keep the
visitor may keep it as a clip with a label, for the next training. Ctrl-C and SIGTERM end it with
exit code 0.

Needs the extra `app` (Gradio).
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import os
from collections.abc import Sequence

from schemas import command, errors, limits
from tfrecords import command_line
from tfrecords.storage import half_written
from trainer.confidence import caution as caution_lib
from trainer.confidence import caution_flags
from trainer.runs import model_flags, run_folder, saved_run

_MIB = 1 << 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class AppConfig(caution_flags.CautionFlags, model_flags.ModelFlags):
  """One field per flag."""

  beside: str = command_line.flag(
    '',
    'Folder of a second run or export, which answers beside the first; it takes the same kind of '
    'files.',
    is_path=True,
  )
  keep: str = command_line.flag(
    '',
    'Folder in which visitors may keep what was heard, as LABEL/NAME.wav and a row of kept.csv; '
    'empty: nothing is kept. It is new, empty, or held such clips before.',
    is_path=True,
  )
  host: str = command_line.flag(
    '127.0.0.1',
    'The address at which the page is served. Whoever reaches it may use it: there is no password. '
    'Browsers give a microphone only to pages of this machine, and to https.',
  )
  port: int = command_line.flag(
    7860,
    'Its port; 0: any free one, which is printed.',
    limits=limits.PORT,
  )
  max_s: float = command_line.flag(
    300.0, 'Longer recordings are refused, in seconds.', limits=limits.POSITIVE
  )
  max_mib: int = command_line.flag(
    50, 'Larger files are refused, in MiB.', limits=limits.within(1, 2_048)
  )

  def __post_init__(self) -> None:
    command_line.check(self)
    self.check_caution()
    self.check_model(hint=' The second model is named with --beside.')

  @property
  def models(self) -> tuple[str, ...]:
    """The folders of the one or the two models."""
    return tuple(filter(None, (self.path, self.beside)))

  @property
  def max_bytes(self) -> int:
    """The largest file that is taken."""
    return self.max_mib * _MIB


def main(arguments: Sequence[str]) -> None:
  """Serves the page until a signal ends it.

  Raises:
    ConfigError: if a model cannot be opened, the port is taken, or there is no Gradio.
  """
  config = command_line.parse(AppConfig, arguments, description=__doc__ or '')
  if config is None:
    return
  # Here, as whatever wrong flags and --help need not wait for.
  from trainer.app import app_server, kept_clips, kept_place
  from trainer.export import opened

  cautions = [opened.caution_of(path, config) for path in config.models]
  if importlib.util.find_spec('gradio') is None:
    raise errors.ConfigError(
      "The page is made by Gradio, which is not installed: pip install 'voxshard[app]'."
    )
  kept = None
  if config.keep:
    if '://' not in config.keep:
      kept_place.check(config.keep, config.models)
    kept = kept_clips.KeptClips(config.keep)
  with contextlib.ExitStack() as stack:
    listening = stack.enter_context(app_server.listening(config.host, config.port))
    uploads = stack.enter_context(half_written.scratch('voxshard-app-'))
    served = _page(config, cautions, kept, uploads=uploads, stack=stack, arguments=arguments)
    print(f'listens at {app_server.address(listening)} - Ctrl-C ends it', flush=True)
    try:
      app_server.serve(served, listening)
    except KeyboardInterrupt:
      print('closed')


def _page(
  config: AppConfig,
  cautions: Sequence[caution_lib.Caution],
  kept: object,
  *,
  uploads: str,
  stack: contextlib.ExitStack,
  arguments: Sequence[str],
) -> object:
  """Returns what is served: the models are opened for as long as `stack` is."""
  from trainer.app import asked_models, gradio_page, judged_clips
  from trainer.decoders import file_decoder
  from trainer.export import opened

  # First: it loads what decodes while the models are loaded.
  decoder = stack.enter_context(
    contextlib.closing(file_decoder.FileDecoder(max_bytes=config.max_bytes))
  )
  debug = command.is_on('debug', arguments)
  models = [
    asked_models.AskedModel(
      os.path.basename(os.path.abspath(path)),
      stack.enter_context(opened.opened(path, caution=caution, debug=debug)),
      max_s=config.max_s,
    )
    for path, caution in zip(config.models, cautions, strict=True)
  ]
  asked_models.check(models, keep=config.keep)
  decoder.set_up([model.export for model in models], max_s=config.max_s)
  first = config.models[0]
  clips = None
  if not opened.is_export(first):
    clips = judged_clips.of_run(saved_run.load(first), run_folder.RunFolder(first).judgement)
  for caution in cautions:
    if caution.note:
      print(f'note: {caution.note}')
  return gradio_page.build(
    models, clips, kept, decoder=decoder, uploads=uploads, max_bytes=config.max_bytes
  )


def run() -> int:
  """Entry point of the module as a program."""
  return command.run(main, stopped=command.AGAIN)
