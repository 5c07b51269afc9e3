"""What is printed when all answers are there."""

from collections.abc import Iterator, Mapping
from typing import Any

from beam_jobs.asking import answers_folder, answers_summary
from beam_jobs.launching import summary as job_summary
from beam_jobs.output import taken_over
from pages import words
from schemas import errors, naming, rejects

_MOST_ANSWERS = 8


def show(output: str, elapsed_s: float) -> None:
  """Prints what answers.json of an output says, and how long the job took."""
  folder = answers_folder.AnswersFolder(output)
  found = answers_summary.load(output)
  kept = taken_over.sentence(folder.notes.read(taken_over.FILE))
  job_summary.print_table(rows(found, elapsed_s, kept=kept), title=f'Answers: {output}')


def rows(
  found: Mapping[str, Any], elapsed_s: float, *, kept: str = ''
) -> Iterator[tuple[str, str]]:
  """Yields what the table says, line by line.

  Args:
    found: The summary.
    elapsed_s: How long the job took, in seconds.
    kept: What was taken over of an earlier run, as a sentence.
  """
  is_audio = found['model']['audio'] is not None
  noun = 'clip' if is_audio else 'picture'
  num_clips, num_rows = found['num_clips'], found['num_rows']
  of_windows = f' of {words.counted(num_clips, "recording")}' if num_rows != num_clips else ''
  length = f' ({words.duration(found["audio_s"])} of audio)' if found['audio_s'] else ''
  yield 'answers', f'{num_rows:,}{of_windows}{length}'
  size = sum(shard['num_bytes'] for shard in found['shards'])
  yield 'size', f'{size / 1e6:,.1f} MB in {words.counted(len(found["shards"]), "shard")}'
  said = [f'{label} {count:,}' for label, count in found['answers'].items()]
  yield 'labels', errors.some(said, _MOST_ANSWERS)
  if found['num_labelled']:
    share = errors.share(found['num_right'] / found['num_labelled'])
    yield (
      'right',
      f'{found["num_right"]:,} of {found["num_labelled"]:,} with a true label ({share})',
    )
  if kept:
    yield 'earlier run', kept
  yield 'rejects', _rejects(found['rejects'])
  yield from job_summary.left_out(found['left_out'])
  yield from job_summary.noted(
    rejects.Noted.from_json(note, where=answers_folder.SUMMARY) for note in found['noted']
  )
  yield 'time', f'{elapsed_s:.1f} s: {num_rows / elapsed_s:,.0f} {noun}s/s, start-up included'
  if found['num_cut']:
    heard_s = found['model']['audio']['clip_s']
    yield (
      'warning',
      f'the model heard only {heard_s:g} s of {found["num_cut"]:,} of '
      f'{words.counted(num_clips, "clip")}, which are longer: --window_s={heard_s:g} hears all',
    )


def _rejects(reasons: Mapping[str, int]) -> str:
  if not reasons:
    return 'none'
  said = ', '.join(f'{count:,} {reason}' for reason, count in reasons.items())
  return f'{sum(reasons.values()):,}: {said} (every file with advice in {naming.REJECTS})'
