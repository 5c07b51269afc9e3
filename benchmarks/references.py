"""Time and memory of all that a job does with references: list, split, pack, group.

  python -m benchmarks.references
  python -m benchmarks.references --clips=100000

One local run in one process, on clips that are made up and never read: the source yields them, the
step that writes a shard only counts its references. What is left is what grows with the corpus.
"""

import argparse
import dataclasses
import resource
import tempfile
import time
from collections.abc import Iterator

from apache_beam import pipeline as beam_pipeline
from apache_beam.runners.portability.fn_api_runner import fn_runner

from beam_jobs import config as config_lib
from beam_jobs import pipeline, sources, transforms
from beam_jobs.output import completion, folder
from beam_jobs.shards import shard
from beam_jobs.sources import corpus as corpus_lib
from beam_jobs.sources import source
from schemas import audio, utterance
from schemas.manifest import ShardInfo
from tfrecords.finishing import shard_result

NAME = 'made_up'
CLIPS_PER_SPEAKER = 50
NUM_LABELS = 30


@dataclasses.dataclass(frozen=True, kw_only=True)
class MadeUp:
  """How much is made up.

  Attributes:
    clips: Utterances.
  """

  clips: int = 1_000_000


def list_utterances(corpus: corpus_lib.Corpus, settings: MadeUp) -> Iterator[source.Entry]:
  """Yields utterances of many speakers, with ids as long as those of real corpora."""
  for number in range(settings.clips):
    speaker, take = divmod(number, CLIPS_PER_SPEAKER)
    label = f'word{take % NUM_LABELS:02d}'
    path = f'{label}/speaker{speaker:06d}_nohash_{take}.wav'
    yield utterance.Utterance(
      utterance_id=path,
      speaker_id=f'speaker{speaker:06d}',
      label=label,
      uri=corpus.uri(path),
    )


def count_shard(path, items, config, *, split, num_labels, files, page):
  """Takes the place of shard.write_shard: counts, and writes nothing."""
  del config, split, files, page
  counts = [0] * num_labels
  for item in items:
    counts[item.label] += 1
  speakers = {item.utterance.speaker_id for item in items}
  return shard_result.ShardResult(
    info=ShardInfo(
      file_name=path.rsplit('/', 1)[-1],
      num_records=len(items),
      num_bytes=0,
      sha256='',
      num_speakers=len(speakers),
      label_counts=tuple(counts),
      audio_s=float(len(items)),
    ),
    speakers=tuple(sorted(speakers)),
    moments={},
    rejects=(),
  )


def run(clips: int, output: str) -> int:
  """Runs the job on so many clips and returns how many its shards were given."""
  counted = 0

  def take(config, plan, results, unusable):
    nonlocal counted
    counted = sum(result.info.num_records for result in results)

  sources.SOURCES[NAME] = source.Source(settings=MadeUp, list_utterances=list_utterances)
  shard.write_shard, completion.write_manifest = count_shard, take
  import features

  spec = audio.AudioSpec()
  config = config_lib.FeaturizeConfig(
    source=NAME,
    source_settings=MadeUp(clips=clips),
    input='/made/up',
    output=output,
    name=NAME,
    features=(features.spec(*features.parse('log_mel'), spec),),
    audio=spec,
  )
  folder.prepare(config)
  with beam_pipeline.Pipeline(runner=fn_runner.FnApiRunner()) as root:
    pipeline.build(root, transforms.Job(config))
  return counted


def main() -> None:
  """Prints time and peak memory."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--clips', type=int, default=1_000_000)
  clips = parser.parse_args().clips
  before_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
  start_s = time.perf_counter()
  with tempfile.TemporaryDirectory() as output:
    counted = run(clips, output)
  seconds = time.perf_counter() - start_s
  peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
  print(
    f'{counted:,} references: {seconds:.1f} s ({seconds / clips * 1e6:.1f} us each), '
    f'peak {peak_mib:,.0f} MiB, of which {before_mib:,.0f} MiB before the first'
  )


if __name__ == '__main__':
  main()
