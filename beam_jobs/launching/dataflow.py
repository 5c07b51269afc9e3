"""What can be known of a Dataflow job before it is submitted.

Beam stages for minutes, and Dataflow starts machines for minutes more, until the same is found.
"""

import os

from apache_beam.io import filesystems
from apache_beam.options import pipeline_options

from schemas import errors
from tfrecords.storage import cloud_errors

RUNNERS = ('DataflowRunner', 'apache_beam.runners.dataflow.dataflow_runner.DataflowRunner')


def check(options: pipeline_options.PipelineOptions, *, source: str, output: str) -> None:
  """Checks options, places, sign-in and buckets of a job for Dataflow.

  Args:
    options: Beam's.
    source: The job's --input.
    output: Its --output.

  Raises:
    ConfigError: with what is missing, and what to add.
  """
  google = options.view_as(pipeline_options.GoogleCloudOptions)
  _check_given(google)
  if google.template_location:
    raise errors.ConfigError(
      '--template_location makes a template and runs nothing, and this launcher waits for what the '
      'job makes. Leave it out.'
    )
  _check_remote('--input', source)
  _check_remote('--output', output)
  _check_package(options)
  if not google.no_auth:
    _check_sign_in()
  for flag in ('temp_location', 'staging_location'):
    if place := getattr(google, flag):
      _check_bucket(f'--{flag}', place)


def _check_given(google: pipeline_options.GoogleCloudOptions) -> None:
  region = google.region or os.environ.get('CLOUDSDK_COMPUTE_REGION')
  for name, value, example in (
    ('project', google.project, 'the project that pays'),
    ('region', region, 'where the machines start: the region of the bucket'),
    ('temp_location', google.temp_location, 'gs://BUCKET/tmp'),
  ):
    if not value:
      raise errors.ConfigError(
        f'--runner=DataflowRunner needs --{name}={name.upper()} ({example}); none was given.'
      )


def _check_remote(flag: str, path: str) -> None:
  if '://' not in path:
    raise errors.ConfigError(
      f"{flag}={path!r} is a place on this machine, which Dataflow's workers do not see. Wanted "
      f'one in a bucket: {flag}=gs://BUCKET/FOLDER.'
    )


def _check_package(options: pipeline_options.PipelineOptions) -> None:
  setup_file = options.view_as(pipeline_options.SetupOptions).setup_file
  image = options.view_as(pipeline_options.WorkerOptions).sdk_container_image
  if not (setup_file or image):
    raise errors.ConfigError(
      "Dataflow's workers would not have this program: give --setup_file=./setup.py, or an image "
      'that holds it with --sdk_container_image=IMAGE.'
    )
  if setup_file and not os.path.isfile(setup_file):
    raise errors.ConfigError(
      f'--setup_file={setup_file!r} is no file. Run this in the folder that holds setup.py.'
    )


def _check_sign_in() -> None:
  """Asks once. Beam would ask again and again for half a minute, and then go on without."""
  try:
    import google.auth  # noqa: PLC0415 - It comes with the extra [gcp].
    from google.auth import exceptions  # noqa: PLC0415
  except ImportError as error:
    raise errors.ConfigError(
      "--runner=DataflowRunner needs Google's clients: pip install 'voxshard[gcp]'."
    ) from error
  try:
    google.auth.default()
  except exceptions.GoogleAuthError as error:
    raise errors.ConfigError(
      'There is no sign-in for Google Cloud. Run `gcloud auth application-default login`, or name '
      f'the key of a service account with GOOGLE_APPLICATION_CREDENTIALS=FILE. ({error})'
    ) from error


def _check_bucket(flag: str, place: str) -> None:
  if not place.startswith('gs://'):
    raise errors.ConfigError(f'{flag}={place!r} is no place in a bucket, such as gs://BUCKET/tmp.')
  try:
    filesystems.FileSystems.match([f'{place.rstrip("/")}/*'], [1])
  except (OSError, ValueError) as error:  # BeamIOError is an OSError.
    raise errors.ConfigError(
      f'{flag}={place!r} cannot be used: {cloud_errors.why(error)}. Name a bucket that is there, '
      'where this user may list and write.'
    ) from error
