"""The client of Cloud Storage. What it does with a bucket: tests/engines/test_buckets.py."""

import pytest

pytest.importorskip('google.cloud.storage')

import google.auth
from apache_beam.internal.gcp import auth
from google.auth import exceptions

from tfrecords.storage import gcs


@pytest.mark.parametrize('on_google', [False, True])
def test_without_a_sign_in_there_is_a_sentence_and_no_traceback(monkeypatch, caplog, on_google):
  asked, waited = [], []

  def no_sign_in(**_):
    asked.append(1)
    raise exceptions.DefaultCredentialsError('none was found')

  monkeypatch.setattr(google.auth, 'default', no_sign_in)
  monkeypatch.setattr('time.sleep', waited.append)
  monkeypatch.setattr(auth, 'is_running_in_gce', on_google)
  monkeypatch.setattr(auth._Credentials, '_credentials_init', False)
  gcs._client.cache_clear()
  try:
    assert gcs._client()
  finally:
    gcs._client.cache_clear()
  # Elsewhere than on Google's machines it takes no half minute to find that there is none.
  assert (len(asked) > 1, sum(waited) > 1) == (on_google, on_google)
  assert 'Connecting anonymously' in caplog.text
  assert 'Traceback' not in caplog.text
