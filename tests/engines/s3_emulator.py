"""S3 on loopback, for tests: the server of moto, any request to which can be refused."""

import threading
import urllib.parse
import urllib.request

from werkzeug import serving

from tests.engines import gcs_emulator, moto


class S3Emulator:
  """A running server; the attributes and methods are those of gcs_emulator.GcsEmulator.

  Attributes:
    environment: What a process needs to reach it.
  """

  scheme = 's3'

  def __init__(self) -> None:
    moto.make_importable()
    import boto3
    from moto.server import DomainDispatcherApplication, create_backend_app

    self.refuse: gcs_emulator.Refuse = lambda method, path: None
    self.requests: list[tuple[str, str]] = []
    self.sent_bytes = 0
    self._application = DomainDispatcherApplication(create_backend_app)
    self._server = serving.make_server('127.0.0.1', 0, self._answer, threaded=True)
    self.url = f'http://127.0.0.1:{self._server.server_port}'
    self.environment = {
      'AWS_ENDPOINT_URL': self.url,
      'AWS_ACCESS_KEY_ID': 'emulated',
      'AWS_SECRET_ACCESS_KEY': 'emulated',
      'AWS_DEFAULT_REGION': 'us-east-1',
    }
    self._client = boto3.client(
      's3',
      endpoint_url=self.url,
      region_name='us-east-1',
      aws_access_key_id='emulated',
      aws_secret_access_key='emulated',
    )

  def make_bucket(self, name: str) -> None:
    """Makes an empty bucket."""
    self._client.create_bucket(Bucket=name)

  def put(self, bucket: str, name: str, data: bytes) -> None:
    """Stores an object, as `aws s3 cp` would."""
    self._client.put_object(Bucket=bucket, Key=name, Body=data)

  def get(self, bucket: str, name: str) -> bytes:
    """Returns an object's content."""
    return self._client.get_object(Bucket=bucket, Key=name)['Body'].read()

  def names(self, bucket: str, prefix: str = '') -> list[str]:
    """Returns the sorted names of the objects whose name starts so."""
    pages = self._client.get_paginator('list_objects_v2').paginate(Bucket=bucket, Prefix=prefix)
    return [item['Key'] for page in pages for item in page.get('Contents', ())]

  def num_lists(self) -> int:
    """Returns how often a page of names was asked for."""
    return sum('list-type=2' in path for _, path in self.requests)

  def num_reads(self) -> int:
    """Returns how often an object, or what is known of one, was asked for."""
    return sum(path.startswith('/voices/') for _, path in self.requests)

  def unfinished(self, bucket: str) -> int:
    """Returns how many uploads have begun, and not ended."""
    return len(self._client.list_multipart_uploads(Bucket=bucket).get('Uploads', ()))

  def __enter__(self) -> 'S3Emulator':
    threading.Thread(target=self._server.serve_forever, daemon=True).start()
    # What one server holds, all of this process hold.
    reset = urllib.request.Request(f'{self.url}/moto-api/reset', method='POST')
    urllib.request.urlopen(reset).close()
    return self

  def __exit__(self, *_: object) -> None:
    self._server.shutdown()
    self._server.server_close()

  def _answer(self, environ, start_response):
    method, path = environ['REQUEST_METHOD'], environ['PATH_INFO']
    query = environ.get('QUERY_STRING', '')
    self.requests.append((method, f'{path}?{query}'))
    status = self.refuse(method, urllib.parse.unquote(path))
    if status is not None:
      environ['wsgi.input'].read(int(environ.get('CONTENT_LENGTH') or 0))
      text = f'<Error><Code>{_CODES[status]}</Code><Message>refused by the test</Message></Error>'
      start_response(f'{status} refused', [('Content-Type', 'application/xml')])
      return [b'' if method == 'HEAD' else text.encode()]
    answer = b''.join(self._application(environ, start_response))
    if method == 'GET' and 'list-type' not in query:
      self.sent_bytes += len(answer)
    return [answer]


_CODES = {400: 'InvalidRequest', 403: 'AccessDenied', 404: 'NoSuchKey', 503: 'SlowDown'}
