"""Looks at a finished data set: reads all of it, and listens to what audio can be found."""

import contextlib
import dataclasses
import functools
import json
import os
from collections.abc import Mapping

import numpy as np

from beam_jobs import sources
from beam_jobs.exploration import duplicates, findings, measuring, records, request
from beam_jobs.sources import corpus as corpus_lib
from pages import words
from schemas import errors, naming, rejects
from schemas import medium as media
from schemas.manifest import DatasetManifest
from schemas.utterance import Excerpt, Utterance
from tfrecords import manifest_file
from tfrecords import storage as storage_lib
from tfrecords.wire import codec


def gather(wanted: request.Request, storage: storage_lib.Storage) -> findings.Findings:
  """Returns what is found in a data set.

  Raises:
    DatasetError: if the folder holds none.
    SchemaError, RecordError: if it is damaged.
  """
  manifest = manifest_file.load(wanted.data, storage)
  store = records.Records(wanted.data, manifest, storage)
  scan = store.scan(max_clips=wanted.max_clips, max_examples=wanted.max_examples)
  durations_s = np.asarray(scan.durations_s, np.float64)
  common = findings.Findings(
    title=manifest.name,
    kind='data set',
    medium=media.AUDIO if manifest.audio else media.PICTURES,
    facts=_facts(wanted.data, manifest),
    census=scan.census,
    is_labelled=manifest.is_labelled,
    durations_s=durations_s,
    duration_is_of='all clips as stored, without padding and copies',
    total_s=float(durations_s.sum()) if manifest.audio else None,
    num_silent=scan.num_silent,
    rejects=measuring.reasons(manifest.rejects, _reject_examples(wanted.data, storage)),
    left_out=dict(sorted(manifest.left_out.items())),
    noted=manifest.noted,
    warnings=manifest.warnings,
    notes=[f'All was read: {words.counted(scan.census.num_clips, "record")}.'],
  )
  found = _listen(common, manifest, scan, wanted)
  links = [*store.same_arrays(scan), *measuring.same_recordings(found.measured)]
  return dataclasses.replace(found, groups=duplicates.groups(links), compared=_compared(found))


def _listen(
  common: findings.Findings, manifest: DatasetManifest, scan: records.Scan, wanted: request.Request
) -> findings.Findings:
  """Adds what is measured and shown of the clips: what is stored of them, or their files."""
  measured: list[findings.Measured] = []
  source, shown = '', _stored_examples(scan)
  if common.is_pictures:
    note = 'Pictures are shown as they are stored.'
  elif records.has_waveform(manifest):
    measured, source = scan.measured.items(), 'the stored waveforms'
    counted = words.counted(len(measured), 'clip')
    note = f'Loudness is of {counted} picked by a hash, from the stored waveforms.'
  elif originals := _originals(manifest, scan):
    failed = measuring.Rejects()
    picked = [originals[clip.clip_id] for clip in scan.picked.items() if clip.clip_id in originals]
    measured = measuring.measured_all(picked, failed, manifest.audio)
    source = 'the original files, at their own rate'
    ready = {
      label: [
        originals[item.clip.clip_id] for item in kept.items() if item.clip.clip_id in originals
      ]
      for label, kept in scan.by_label.items()
    }
    heard = functools.partial(measuring.heard, spec=manifest.audio)
    shown = measuring.examples(ready, heard, limit=wanted.max_examples)
    counted = words.counted(len(measured), 'clip')
    note = f'What is measured is of the original files of {counted} picked by a hash.'
    if failed.clips:
      note += f' {len(failed.clips):,} of these could not be opened any more.'
  else:
    note = (
      'There is no audio to listen to: the data set stores no waveform, and the original files '
      f'are not found at {manifest.config.get("input", "their place")}.'
    )
  return dataclasses.replace(
    common,
    measured=measured,
    measured_from=source,
    examples=shown,
    notes=[*common.notes, note],
  )


def _stored_examples(scan: records.Scan) -> dict[str, list[findings.Example]]:
  """Returns what is stored of the clips to show: audio, a picture, or a feature as a picture."""
  by_label = {
    label: [item for item in kept.items() if item.sound or item.picture is not None]
    for label, kept in scan.by_label.items()
  }
  return {label: shown for label, shown in by_label.items() if shown}


def _originals(manifest: DatasetManifest, scan: records.Scan) -> dict[str, Utterance]:
  """Returns where the picked clips come from, by id, if their corpus is still there."""
  clips = {clip.clip_id: clip for clip in scan.picked.items()}
  for kept in scan.by_label.values():
    clips.update((item.clip.clip_id, item.clip) for item in kept.items())
  try:
    name, settings = sources.parse(str(manifest.config['source']))
    source, place = sources.SOURCES[name], str(manifest.config['input'])
    if all(clip.file for clip in clips.values()) and not source.in_record_files:
      return _named_by_records(clips, source.folder_of(place, settings))
    corpus = corpus_lib.Corpus(place, all_files=bool(manifest.config.get('all_files')))
    listed = source.entries(corpus, settings)
    return {
      clip.clip_id: dataclasses.replace(
        entry, label=clip.label, speaker_id=clip.speaker, split=clip.split
      )
      for entry in listed
      if isinstance(entry, Utterance) and (clip := clips.get(entry.utterance_id))
    }
  except (KeyError, errors.VoxshardError):
    return {}  # Another machine, another version: the data set has all that a user needs of it.


def _named_by_records(clips: Mapping[str, duplicates.Clip], folder: str) -> dict[str, Utterance]:
  """Returns where clips come from as their records say, without a listing of the corpus."""
  found = {}
  for clip in clips.values():
    is_whole_path = clip.file.startswith('/') or '://' in clip.file
    uri = clip.file if is_whole_path else f'{folder}/{clip.file}'
    if '://' in uri or os.path.exists(uri):
      found[clip.clip_id] = Utterance(
        utterance_id=clip.clip_id,
        speaker_id=clip.speaker,
        label=clip.label,
        uri=uri,
        split=clip.split,
        excerpt=Excerpt(
          start_s=clip.start_us / 1e6, duration_s=(clip.end_us - clip.start_us) / 1e6
        ),
      )
  return found


def _facts(data_dir: str, manifest: DatasetManifest) -> list[tuple[str, str]]:
  audio = manifest.audio
  facts = [('folder', data_dir)]
  if audio:
    length = 'as long as they are' if audio.is_variable else f'{audio.clip_s:g} s'
    facts.append(('clips', f'mono, {audio.sample_rate_hz:,} Hz, {length}'))
  for spec in manifest.features:
    size = f', {spec.num_bytes:,} bytes a clip' if spec.num_bytes else ''
    facts.append((f'feature {spec.name}', f'{codec.shape_text(spec)}{size}'))
  num_bytes = sum(shard.num_bytes for shard in manifest.shards)
  facts.append(
    ('size', f'{num_bytes / 1e6:,.1f} MB in {words.counted(len(manifest.shards), "shard")}')
  )
  facts += [
    (name, str(manifest.config[name]))
    for name in ('source', 'input', 'split_by', 'seed')
    if manifest.config.get(name) not in (None, '')
  ]
  for split in manifest.speakers:
    num_noises = manifest.voices_and_noises(split)[1]
    noises = f' and {errors.counted(num_noises, "noise")}' if num_noises else ''
    facts.append((f'speakers of {split}', f'{manifest.some_voices(split) or "none"}{noises}'))
  if manifest.config.get('augmentations'):
    count = manifest.config.get('augment_copies')
    copies = f'{count} {"copy" if count == 1 else "copies"} of each train clip'
    facts.append(('augmentation', f'{copies}: {", ".join(manifest.config["augmentations"])}'))
  return facts


def _compared(found: findings.Findings) -> list[str]:
  num_originals = found.census.num_originals
  noun = 'pictures' if found.is_pictures else 'clips'
  copies = ' (copies are left out)' if found.census.num_copies else ''
  sentences = [f'Compared were all {num_originals:,} {noun}{copies}: for equal stored arrays.']
  if found.measured:
    number = len(found.measured)
    some = 'All of them' if number == num_originals else f'{number:,} of them'
    sentences.append(
      f'{some}, by {found.measured_from}, also: for recordings that sound the same '
      'after a codec, a gain or a shift.'
    )
  return sentences


def _reject_examples(data_dir: str, storage: storage_lib.Storage) -> dict[str, str]:
  """Returns the first reject of every reason, from the data set's list of them."""
  path = storage.join(data_dir, naming.REJECTS)
  examples: dict[str, str] = {}
  if not storage.exists(path):
    return examples
  with storage.open_read(path) as stream:
    for line in stream:
      # Only an illustration: what cannot be read is passed over.
      with contextlib.suppress(ValueError):
        reject = rejects.Reject.from_json(json.loads(line), where=path)
        examples.setdefault(reject.reason, f'{reject.utterance_id}: {reject.detail}')
  return examples
