r"""Turns raw audio into speaker-sharded TFRecords of features.

  python -m beam_jobs.featurize
  python -m beam_jobs.featurize --source=speech_commands --input=/data/speech_commands \
      --output=/data/words --feature=log_mel:num_mels=64
  python -m beam_jobs.featurize --source='file_names:pattern={label}_{speaker}_{take}.wav' \
      --input=/data/fsdd --output=/data/digits --split_by=take:test=0-4
  python -m beam_jobs.featurize --runner=DataflowRunner --project=P --region=R \
      --temp_location=gs://B/tmp --setup_file=./setup.py --input=gs://B/audio --output=gs://B/data

Without flags it makes the embedded demo corpus and featurizes that.
"""

import importlib.util
import shlex
import sys
import time
from collections.abc import Sequence

from beam_jobs.processes import lean_beam
from schemas import command, errors, naming, splits
from schemas.manifest import DatasetManifest
from tfrecords import manifest_file, storage


def main(argv: Sequence[str]) -> None:
  """Runs the job that the arguments ask for."""
  start_s = time.monotonic()
  # Here, not above: Beam takes seconds to load. They are a part of the time that is told, and who
  # presses Ctrl-C meanwhile is told how to go on.
  lean_beam.load()
  from beam_jobs.launching import dry_run, flags, launch, summary  # noqa: PLC0415
  from beam_jobs.output import folder, taken_over  # noqa: PLC0415

  if command.is_on('help', argv) or '-h' in argv:
    print(flags.help_text(__doc__ or ''))
    return
  invocation = flags.parse(argv)
  if invocation.plan:
    dry_run.show(invocation)
    return
  output = invocation.config.output
  files = storage.storage_of(output)
  earlier = _digest(output, files)
  launch.run_job(invocation)
  manifest = manifest_file.load(output, files)
  kept = taken_over.sentence(folder.unfinished(invocation.config).notes.read(taken_over.FILE))
  rows = summary.rows(manifest, time.monotonic() - start_s, kept=kept)
  summary.print_table(rows, title=f'{manifest.name}: {output}')
  if invocation.config.tfds_metadata:
    # They never outlive the manifest: where it is as it was, so are they.
    is_same = earlier == _digest(output, files)
    if not (is_same and {*naming.TFDS_FILES} <= {*files.list_dir(output)}):
      _write_tfds_metadata(output, manifest)
  if splits.TRAIN in manifest.split_names():
    data = errors.without_secrets(output)
    print(f'Next:\n  python -m trainer --data={shlex.quote(data)}')


def _digest(output: str, files: storage.Storage) -> str:
  """Returns the digest of the manifest; '' where there is none that can be read."""
  try:
    return manifest_file.digest(output, files)
  except errors.DatasetError:
    return ''


def _write_tfds_metadata(output: str, manifest: DatasetManifest) -> None:
  """Lets TFDS open the folder. Here, not in a worker: it needs TensorFlow.

  The data set is finished already, so whatever goes wrong here is told and fails nothing.
  """
  if importlib.util.find_spec('tensorflow_datasets') is None:
    print("No TFDS metadata: it needs pip install 'voxshard[train]'.", file=sys.stderr)
    return
  try:
    from tfrecords import tfds_metadata  # noqa: PLC0415 - Seconds, and only now needed.

    tfds_metadata.write(output, manifest, storage.storage_of(output))
  except Exception as error:  # Of a library that we only lend our folder to.
    print(
      f'The data set is finished, without TFDS metadata: {error} The trainer does not need them; '
      'the same command writes them when the cause is removed.',
      file=sys.stderr,
    )


def run() -> int:
  """Entry point of the command voxshard-featurize."""
  return command.run(main, stopped='run the same command again, whole shards are kept.')


if __name__ == '__main__':
  sys.exit(run())
