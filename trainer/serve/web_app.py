"""The addresses of the server, and how errors are told: as JSON, each in a sentence."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

import fastapi
from fastapi import exceptions
from starlette import exceptions as starlette_errors
from starlette import requests, responses, types

from schemas import options, version
from trainer.serve import answering_service, meters, refusal, request_body

_PREDICT, _HEALTH, _METRICS, _LABELS, _HOME = '/predict', '/health', '/metrics', '/labels', '/'
PATHS = (_HOME, _PREDICT, _HEALTH, _METRICS, _LABELS, '/openapi.json')
_SETTINGS = ('top', 'window_s', 'hop_s')
_OTHER = 'other'  # What other paths are called in the metrics, where anybody may ask for any.

_BODY = {
  'required': True,
  'content': {
    'audio/*': {'schema': {'type': 'string', 'format': 'binary'}},
    'image/*': {'schema': {'type': 'string', 'format': 'binary'}},
    'multipart/form-data': {
      'schema': {
        'type': 'object',
        'properties': {'file': {'type': 'string', 'format': 'binary'}},
        'required': ['file'],
      }
    },
    'application/json': {
      'schema': {
        'type': 'object',
        'properties': {
          'samples': {'type': 'array', 'items': {'type': 'number'}},
          'sample_rate_hz': {'type': 'integer'},
        },
        'required': ['samples', 'sample_rate_hz'],
      }
    },
  },
}


def make(service: answering_service.AnsweringService) -> types.ASGIApp:
  """Returns the application of a service."""
  # The pages of documentation would load scripts from elsewhere; /openapi.json is ours.
  app = fastapi.FastAPI(
    title='Voxshard', version=version.VERSION, docs_url=None, redoc_url=None,
    redirect_slashes=False,
  )  # fmt: skip
  app.add_exception_handler(refusal.RefusedError, _refused)
  app.add_exception_handler(starlette_errors.HTTPException, _no_such_address)
  app.add_exception_handler(exceptions.RequestValidationError, _bad_setting)
  app.add_exception_handler(Exception, _failed)
  _add_addresses(app, service)
  return Counted(app, service.meters)


def _add_addresses(app: fastapi.FastAPI, service: answering_service.AnsweringService) -> None:
  @app.post(_PREDICT, openapi_extra={'requestBody': _BODY})
  async def predict(
    request: fastapi.Request,
    top: Annotated[int | None, fastapi.Query(ge=1)] = None,
    window_s: Annotated[float, fastapi.Query()] = 0.0,
    hop_s: Annotated[float, fastapi.Query()] = 0.0,
  ) -> responses.Response:
    """The likeliest labels of a file, or of each window of a recording."""
    service.check_ready()
    service.check_not_full()
    _check_settings(request)
    content_type = request.headers.get('content-type', '')
    request_body.check_type(content_type, service.export.medium)
    asked = answering_service.Asked(
      top=top or service.config.top, window_s=window_s, hop_s=hop_s, is_gone=request.is_disconnected
    )
    with service.room.held() as held:
      with service.coming():
        body = await request_body.read(
          request,
          held,
          max_bytes=service.config.max_body_mib << 20,
          max_s=service.config.max_read_s,
        )
      return _json(await service.answer(body, content_type, asked, held))

  @app.head(_HEALTH, include_in_schema=False)
  @app.get(_HEALTH)
  async def health() -> responses.Response:
    """200 when it is ready; 503 while it loads, while it ends, and when it cannot decode."""
    state = service.state
    if state is not answering_service.State.READY:
      raise refusal.busy(f'The server is {state.value}.')
    service.check_decoders()
    return _json({'status': 'ready'})

  @app.head(_METRICS, include_in_schema=False)
  @app.get(_METRICS)
  async def metrics() -> responses.Response:
    """Counts, as Prometheus reads them."""
    return responses.Response(service.meters.text(), media_type=meters.CONTENT_TYPE)

  @app.head(_LABELS, include_in_schema=False)
  @app.get(_LABELS)
  async def labels() -> responses.Response:
    """What the model can answer."""
    service.check_ready()
    return _json({'labels': list(service.export.labels)})

  @app.head(_HOME, include_in_schema=False)
  @app.get(_HOME)
  async def home() -> responses.Response:
    """What the model takes."""
    service.check_ready()
    return _json(service.description())


def _json(value: Any, status: int = 200) -> responses.Response:
  # In ASCII: a label that is no UTF-8 is half of a surrogate pair, which JSON can escape.
  return responses.Response(
    json.dumps(value).encode('ascii'), status, media_type='application/json'
  )


def _check_settings(request: requests.Request) -> None:
  for name in request.query_params:
    if name not in _SETTINGS:
      raise refusal.RefusedError(
        refusal.NOT_USABLE,
        f'Wanted settings of {", ".join(_SETTINGS)} in the address, got {name[:100]!r}.'
        f'{options.did_you_mean(name, _SETTINGS)}',
      )


def _error(status: int, sentence: str, headers: dict[str, str] | None = None) -> responses.Response:
  return responses.Response(refusal.body(sentence), status, headers, 'application/json')


async def _refused(request: requests.Request, error: Exception) -> responses.Response:
  assert isinstance(error, refusal.RefusedError)
  return _error(error.status, error.sentence, error.headers)


async def _no_such_address(request: requests.Request, error: Exception) -> responses.Response:
  assert isinstance(error, starlette_errors.HTTPException)
  path = request.scope['path']
  if error.status_code == 405:
    methods = ('POST',) if path == _PREDICT else ('GET', 'HEAD')
    text = f'{path} is asked with {" or ".join(methods)}, got {request.method[:20]}.'
    return _error(405, text, {'Allow': ', '.join(methods)})
  if error.status_code == 404:
    return _error(404, f'There is no {path[:100]!r} here. There are {", ".join(PATHS)}.')
  return _error(error.status_code, str(error.detail))


async def _bad_setting(request: requests.Request, error: Exception) -> responses.Response:
  assert isinstance(error, exceptions.RequestValidationError)
  first = error.errors()[0]
  wanted = 'a whole number of at least 1' if first['loc'][-1] == 'top' else 'a number of seconds'
  return _error(
    refusal.NOT_USABLE,
    f'{first["loc"][-1]}: wanted {wanted}, got {str(first["input"])[:100]!r}.',
  )


async def _failed(request: requests.Request, error: Exception) -> responses.Response:
  """Says that something is wrong with the server; its own log has the traceback."""
  return _error(
    refusal.FAILED, 'The server failed at this request. What it prints says why; report it.'
  )


class Counted:
  """Counts the responses of an application, and how long they take."""

  def __init__(self, app: types.ASGIApp, counts: meters.Meters) -> None:
    self._app = app
    self._meters = counts

  async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
    """Passes a request on."""
    path = scope['path'] if scope['path'] in PATHS else _OTHER
    status = refusal.FAILED
    is_counted = False
    began_s = time.monotonic()

    def count() -> None:
      nonlocal is_counted
      is_counted = True
      self._meters.requests.labels(path, status).inc()
      self._meters.request_seconds.labels(path).observe(time.monotonic() - began_s)

    async def counted_send(message: types.Message) -> None:
      nonlocal status
      if message['type'] == 'http.response.start':
        status = message['status']
      elif not message.get('more_body'):
        count()  # Before it is sent: who has the answer may ask for the metrics.
      await send(message)

    try:
      await self._app(scope, receive, counted_send)
    finally:
      if not is_counted:
        count()
