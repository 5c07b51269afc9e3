"""What a user of Dataflow reads when something is wrong: one sentence, and soon."""

import pytest

pytest.importorskip('gcp_storage_emulator', reason='it is in the extra [dev]')

from beam_jobs import featurize
from schemas import command
from tests.engines import dataflow_cloud
from tfrecords.storage import gcs

pytestmark = pytest.mark.engines


@pytest.fixture(scope='module')
def cloud(tmp_path_factory):
  with dataflow_cloud.Cloud(tmp_path_factory.mktemp('cloud')) as started:
    yield started


@pytest.fixture(autouse=True)
def as_before(cloud):
  yield
  cloud.storage.refuse = lambda method, path: None
  cloud.service.refuse_with = None


@pytest.fixture
def said(cloud, monkeypatch, capfd):
  """Launches in this process, and returns what the error says: nothing is submitted."""
  for name, value in cloud.session.items():
    monkeypatch.setenv(name, value)
  monkeypatch.chdir(cloud.checkout)
  gcs._client.cache_clear()  # It keeps the address that it was made with.

  def run(*more, without=()):
    before = len(cloud.service.jobs)
    assert command.run(featurize.main, cloud.command_line(*more, without=without)) == 2
    assert len(cloud.service.jobs) == before
    text = capfd.readouterr().err
    assert 'Traceback' not in text
    return text.strip().splitlines()[-1].removeprefix('error: ')

  yield run
  gcs._client.cache_clear()


def sentence(cloud, *more, without=()):
  """Launches as a program, and returns what the error says."""
  done = cloud.launch(*more, without=without)
  assert done.returncode == 2, done.stderr
  assert 'Traceback' not in done.stderr
  return done.stderr.strip().splitlines()[-1].removeprefix('error: ')


@pytest.mark.parametrize(
  ('missing', 'text'),
  [
    ('--project', 'needs --project=PROJECT'),
    ('--region', 'needs --region=REGION'),
    ('--temp_location', 'needs --temp_location=TEMP_LOCATION'),
    ('--setup_file', 'give --setup_file=./setup.py'),
  ],
)
def test_what_is_missing_is_named(said, missing, text):
  assert text in said(without=(missing,))


@pytest.mark.parametrize(
  ('flag', 'text'),
  [
    ('--input=/data/audio', "Dataflow's workers do not see"),
    ('--output=/data/words', "Dataflow's workers do not see"),
    ('--setup_file=./nowhere/setup.py', 'is no file'),
    ('--temp_location=/tmp', 'no place in a bucket'),
    ('--input=gs://voices/nothing', 'There is nothing below gs://voices/nothing/'),
    ('--input=gs://nobodys/audio', 'no such bucket'),
    ('--output=gs://nobodys/data', 'no such bucket'),
    # Beam itself would try this one again for ten minutes.
    ('--staging_location=gs://nobodys/staging', 'no such bucket'),
  ],
)
def test_a_place_that_cannot_be_used_is_named(said, flag, text):
  found = said(flag)
  assert text in found
  assert flag.partition('=')[2] in found


@pytest.mark.parametrize(
  ('part', 'place'), [('prefix=audio', 'gs://voices/audio'), ('o/data', 'gs://voices/data')]
)
def test_a_bucket_without_rights_is_named(cloud, said, part, place):
  cloud.storage.refuse = lambda method, path: 403 if part in path else None
  text = said()
  assert place in text
  assert 'this user may not do that (status 403' in text


def test_a_bucket_that_may_be_read_only_is_named(cloud, said):
  cloud.storage.refuse = lambda method, path: 403 if method in ('POST', 'PUT') else None
  text = said('--output=gs://voices/others')
  assert 'gs://voices/others' in text
  assert '403' in text


@pytest.mark.parametrize(
  ('status', 'message'),
  [
    (403, 'Current user cannot act as service account featurizer'),
    (404, 'Dataflow API has not been used in project emulated before'),
    (429, 'Quota CPUS exceeded in us-central1'),
  ],
)
def test_what_the_service_refuses_is_said(cloud, status, message):
  cloud.service.refuse_with = (status, message)
  text = sentence(cloud)
  assert message in text
  assert f'status {status}' in text


def test_no_sign_in_is_said_at_once(cloud, monkeypatch):
  monkeypatch.delitem(cloud.environment, 'GOOGLE_APPLICATION_CREDENTIALS')
  # Nobody asks the machine's metadata, and nobody finds the user's own sign-in.
  monkeypatch.setitem(cloud.environment, 'NO_GCE_CHECK', 'true')
  monkeypatch.setitem(cloud.environment, 'CLOUDSDK_CONFIG', '/nonexistent')
  text = sentence(cloud, without=('--no_auth',))
  assert 'gcloud auth application-default login' in text


def test_a_job_that_fails_is_told_with_the_workers_words(cloud, monkeypatch):
  def fail(job):
    assert cloud.service.asked.wait(600)  # Of a job that fails before, Beam never asks why.
    raise RuntimeError('Startup of the worker pool failed: no machines of this type in the zone')

  monkeypatch.setattr(cloud.service, 'work', fail)
  assert 'no machines of this type in the zone' in sentence(cloud)


def test_a_template_is_refused(said):
  assert '--template_location makes a template' in said(
    '--template_location=gs://voices/template.json'
  )


def test_what_a_worker_says_comes_through_the_bucket(cloud):
  text = cloud.launch('--output=gs://voices/rejected', '--max_reject_fraction=0').stderr
  assert 'error: 1 of 144 clips were rejected' in text
  assert 'not_audio' in text
  assert 'Traceback' not in text
