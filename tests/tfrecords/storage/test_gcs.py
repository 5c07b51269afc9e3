"""The client of Cloud Storage. What it does with a bucket: tests/engines/test_buckets.py."""

import pytest

pytest.importorskip('google.cloud.storage')

import google.auth
from apache_beam.internal.gcp import auth
from google.auth import exceptions

from tfrecords.storage import gcs


def test_without_a_sign_in_there_is_a_sentence_and_no_traceback(monkeypatch, caplog):
  asked = []

  def no_sign_in(**_):
    asked.append(1)
    raise exceptions.DefaultCredentialsError('none was found')

  monkeypatch.setattr(google.auth, 'default', no_sign_in)
  monkeypatch.setattr('time.sleep', lambda _: None)
  monkeypatch.setattr(auth._Credentials, '_credentials_init', False)
  gcs._client.cache_clear()
  try:
    assert gcs._client()
  finally:
    gcs._client.cache_clear()
  assert len(asked) > 1
  assert 'Connecting anonymously' in caplog.text
  assert 'Traceback' not in caplog.text
