"""Looks at a corpus as it is: lists all of it, opens some of it."""

import collections
import dataclasses
import hashlib

import numpy as np

from beam_jobs import sources
from beam_jobs.exploration import census as census_lib
from beam_jobs.exploration import duplicates, findings, measuring, originals, request, sampling
from beam_jobs.sources import source as source_lib
from pages import words
from schemas import errors, rejects
from schemas import medium as media
from schemas.utterance import Utterance


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Listing:
  """What the source says of the whole corpus, without a file being opened."""

  census: census_lib.Census
  sample: sampling.Lowest[Utterance]
  by_label: dict[str, sampling.Lowest[Utterance]]
  rejects: measuring.Rejects
  left_out: collections.Counter[str]
  noted: list[rejects.Noted]

  @property
  def to_show(self) -> dict[str, list[Utterance]]:
    labels = measuring.shown_labels(list(self.census.by_label()))
    return {label: self.by_label[label].items() for label in labels}

  def discard_rejects(self) -> None:
    """Takes out of the counts what turned out to be bad when it was opened."""
    for clip in self.rejects.clips:
      self.census.discard(label=clip.label, split=clip.split, speaker=clip.speaker_id)


def gather(wanted: request.Request) -> findings.Findings:
  """Returns what is found in a corpus.

  Raises:
    SourceError: if it is not there, or not laid out as its source expects.
  """
  source = sources.SOURCES[wanted.source]
  listing = list_corpus(source, wanted)
  common = findings.Findings(
    title=errors.shown(wanted.input),
    kind='corpus',
    medium=source.medium,
    facts=[
      ('source', sources.shown(wanted.source, wanted.source_settings)),
      ('input', errors.shown(wanted.input)),
    ],
    census=listing.census,
    is_labelled=source.is_labelled,
    durations_s=np.zeros(0),
    duration_is_of='',
    left_out=dict(sorted(listing.left_out.items())),
    noted=rejects.merged(listing.noted),
  )
  look = _look if source.medium == media.PICTURES else _listen
  return look(common, listing, wanted)


def list_corpus(source: source_lib.Source, wanted: request.Request) -> _Listing:
  """Returns what a source lists; makes the corpus first, where the source makes its own."""
  folder = source.opened(wanted.input, wanted.source_settings, all_files=wanted.all_files)
  listing = _Listing(
    census=census_lib.Census(),
    sample=sampling.Lowest(wanted.max_clips),
    by_label={},
    rejects=measuring.Rejects(),
    left_out=collections.Counter(),
    noted=[],
  )
  for entry in source.entries(folder, wanted.source_settings):
    if isinstance(entry, rejects.Reject):
      listing.rejects.add(entry.reason, entry, entry.detail)
    elif isinstance(entry, rejects.LeftOut):
      listing.left_out[entry.reason] += entry.count
    elif isinstance(entry, rejects.Noted):
      listing.noted.append(entry)
    else:
      listing.census.add(label=entry.label, split=entry.split, speaker=entry.speaker_id)
      listing.sample.offer(entry.utterance_id, entry)
      if entry.label not in listing.by_label:
        listing.by_label[entry.label] = sampling.Lowest(wanted.max_examples + measuring.SPARES)
      listing.by_label[entry.label].offer(entry.utterance_id, entry)
  return listing


def _listen(
  common: findings.Findings, listing: _Listing, wanted: request.Request
) -> findings.Findings:
  sample = listing.sample.items()
  measured = measuring.measured_all(sample, listing.rejects)
  is_all = len(sample) == listing.census.num_clips
  listing.discard_rejects()
  durations_s = np.array([item.measures.seconds for item in measured])
  return dataclasses.replace(
    common,
    durations_s=durations_s,
    duration_is_of='all clips'
    if is_all
    else f'{words.counted(len(measured), "clip")} picked by a hash',
    total_s=float(durations_s.sum()) if is_all else None,
    measured=measured,
    measured_from='their files, at their own rate',
    examples=measuring.examples(listing.to_show, measuring.heard, limit=wanted.max_examples),
    groups=duplicates.groups(measuring.same_recordings(measured)),
    compared=[
      f'Compared were {_part(len(measured), listing, "clip")}: for equal samples, and for '
      'recordings that sound the same after a codec, a gain or a shift.'
    ],
    num_silent=sum(item.fingerprint.is_silent for item in measured),
    rejects=listing.rejects.found(),
    notes=[_note(len(measured), listing)],
  )


def _look(
  common: findings.Findings, listing: _Listing, wanted: request.Request
) -> findings.Findings:
  digests = [
    (measuring.named(clip), hashlib.blake2b(pixels.tobytes(), digest_size=8).digest())
    for clip, pixels in measuring.opened(listing.sample.items(), originals.picture, listing.rejects)
  ]
  listing.discard_rejects()
  return dataclasses.replace(
    common,
    examples=measuring.examples(listing.to_show, measuring.seen, limit=wanted.max_examples),
    groups=duplicates.groups(duplicates.equal(digests)),
    compared=[
      f'Compared were {_part(len(digests), listing, "picture")}: for equal pixels of a small copy.'
    ],
    rejects=listing.rejects.found(),
    notes=[_note(len(digests), listing)],
  )


def _part(number: int, listing: _Listing, noun: str) -> str:
  total = listing.census.num_clips
  if number == total:
    return ('all ' if total > 1 else '') + words.counted(total, noun)
  return f'{number:,} of {words.counted(total, noun)}'


def _note(num_opened: int, listing: _Listing) -> str:
  total = listing.census.num_clips
  if num_opened == total:
    return f'Every file was opened; the {total:,} that can be used are counted.'
  return (
    f'Counts are of '
    f'{words.counted(total, "clip")} that the source lists. {num_opened:,} of them, picked by a '
    'hash of their names, were opened: what is measured, rejects of damaged files and duplicates '
    'are of these alone. --max_clips=N opens more.'
  )
