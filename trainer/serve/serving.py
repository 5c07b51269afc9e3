"""Answers over HTTP with a trained model.

  python -m trainer.serve --run_dir=RUN
  python -m trainer.serve --model=EXPORT --port=0 --max_batch=64
  curl -F file=@clip.wav http://127.0.0.1:8000/predict
  curl --data-binary @clip.flac -H 'Content-Type: audio/flac' http://127.0.0.1:8000/predict

POST /predict takes a file of any format that the data job reads, as it is or in a form, or samples
in JSON, and gives the likeliest labels with their probabilities; with ?window_s=1&hop_s=0.5 those
of each window of a long recording. What comes together is one batch of the model. GET / says what
the model takes, /labels its labels, /health whether it is ready, /metrics counts for Prometheus.

SIGTERM and Ctrl-C end it: what is in work is answered first, and the exit code is 0. A second one
ends it at once, with 143 or 130.
"""

from __future__ import annotations

import gc
import importlib.util
import sys
from collections.abc import Sequence

from schemas import command, errors
from tfrecords import command_line
from trainer.export import opened
from trainer.serve import serve_config

_EXTRA = ('fastapi', 'uvicorn', 'python_multipart', 'prometheus_client')


def main(arguments: Sequence[str]) -> None:
  """Serves until a signal ends it.

  Raises:
    ConfigError: if there is no such model, the port is taken, or the extra is not installed.
  """
  config = command_line.parse(serve_config.ServeConfig, arguments, description=__doc__ or '')
  if config is None:
    return
  _check_installed()
  caution = opened.caution_of(config.path, config)
  if caution.note:
    print(f'note: {caution.note}', file=sys.stderr)
  # Here, not above: they need the extra.
  from trainer.serve import answering_service, web_server

  debug = command.is_on('debug', arguments)
  web_server.serve(
    answering_service.AnsweringService(config),
    lambda: opened.opened(config.path, caution=caution, debug=debug),
    on_warm=_freeze,
  )


def _freeze() -> None:
  """Leaves what is loaded alone: to look through all of TensorFlow for garbage takes a second."""
  gc.collect()
  gc.freeze()


def _check_installed() -> None:
  missing = [name for name in _EXTRA if importlib.util.find_spec(name) is None]
  if missing:
    raise errors.ConfigError(
      f"Serving needs {', '.join(missing)}, of the extra `serve`: pip install 'voxshard[serve]'."
    )


def run_program() -> int:
  """Runs the program with the arguments of the process; returns its exit code."""
  return command.run(main, sys.argv[1:])
