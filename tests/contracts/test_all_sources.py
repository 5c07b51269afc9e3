"""What every source promises, whoever wrote it."""

import collections
import contextlib
import dataclasses
import itertools
import os
import pathlib
import pickle
import random
import subprocess
import sys

import pytest

from beam_jobs import sources
from beam_jobs.sources import corpus as corpus_lib
from beam_jobs.sources.tfds_records import clip_uri
from schemas import errors, options, rejects, splits, utterance
from schemas import medium as media
from tests.contracts import example_corpus as example

# Small, where the source's own corpus would be large.
SMALL = {'synthetic': {'words': 'yes+no', 'unknown_words': 'bed', 'voices': 3, 'takes': 2}}

_opened: list[str] = []


def _note_open(event, args):
  if event == 'open' and isinstance(args[0], str | bytes):
    _opened.append(os.fsdecode(args[0]))


@pytest.fixture(scope='module')
def open_events():
  """The paths of all files that this process opens, by whatever means."""
  sys.addaudithook(_note_open)  # There is no way to take one away.
  return _opened


@pytest.fixture(params=sources.SOURCES)
def source(request):
  return sources.SOURCES[request.param]


@pytest.fixture
def settings(source, request):
  name = request.node.callspec.params['source']
  return source.settings(**SMALL.get(name, {}))


@pytest.fixture
def corpus(source, settings, tmp_path):
  return example.make(source, settings, tmp_path / 'corpus')


def listed(source, settings, corpus):
  """Returns the utterances of an example, of which every entry is one or was not asked for."""
  entries = list(source.list_utterances(corpus, settings))
  good = [entry for entry in entries if isinstance(entry, utterance.Utterance)]
  assert all(isinstance(entry, utterance.Utterance | rejects.LeftOut) for entry in entries)
  return good, sum(entry.count for entry in entries if isinstance(entry, rejects.LeftOut))


def is_of_a_table(source):
  """Whether a table says what there is: then the clips stand in its order."""
  return source.takes_file or bool(example.files_of(source))


def test_entries_are_unique_and_complete(source, settings, corpus):
  good, _ = listed(source, settings, corpus)
  ids = [entry.utterance_id for entry in good]
  assert len(set(ids)) == len(ids) >= 4
  if not is_of_a_table(source):
    assert ids == sorted(ids)
  for entry in good:
    assert entry.speaker_id
    assert entry.label
    assert example.folder_of(source, corpus) + os.sep in entry.uri
    assert list(entry.fields) == sorted(entry.fields)
    named_from = source.folder_of(corpus.root, settings)
    assert clip_uri.file_of(entry.uri).startswith(f'{named_from}/')


def test_every_file_of_the_medium_is_a_clip_or_was_not_asked_for(source, settings, corpus):
  if source.takes_file or not (source.example_tree or source.prepare):
    pytest.skip('The table says what there is.')
  good, left_out = listed(source, settings, corpus)
  whole = {entry.utterance_id for entry in good if entry.excerpt is None}
  noise = source.noise_paths(corpus, settings) if source.noise_paths else []
  on_disk = {
    path.relative_to(corpus.root).as_posix()
    for path in pathlib.Path(corpus.root).rglob('*')
    if path.suffix.lower() in media.SUFFIXES[source.medium]
  } - set(noise)
  assert whole <= on_disk
  assert len(whole) + left_out == len(on_disk)
  for entry in good:
    path = entry.utterance_id.partition('#')[0] if entry.excerpt else entry.utterance_id
    assert entry.uri == os.path.join(corpus.root, *path.split('/'))


def test_labels_are_several_or_none(source, settings, corpus):
  good, _ = listed(source, settings, corpus)
  assert len({entry.speaker_id for entry in good}) >= 2
  if source.is_labelled:
    assert len({entry.label for entry in good}) >= 2
  else:
    assert {(entry.label, entry.split) for entry in good} == {(utterance.UNLABELLED, splits.TEST)}


def test_noise_is_sorted_and_there(source, settings, corpus):
  if not source.noise_paths:
    pytest.skip('A corpus of this kind has no noise.')
  paths = source.noise_paths(corpus, settings)
  assert paths == sorted(paths)
  assert paths
  assert all(os.path.isfile(corpus.uri(path)) for path in paths)


def test_no_speaker_is_in_two_splits(source, settings, corpus):
  good, _ = listed(source, settings, corpus)
  split_of_speaker = {}
  for entry in good:
    assert split_of_speaker.setdefault(entry.speaker_id, entry.split) == entry.split


def test_excerpts_of_two_splits_share_no_sound(source, settings, corpus):
  windows = collections.defaultdict(set)
  good, _ = listed(source, settings, corpus)
  for entry in good:
    if entry.excerpt and entry.split:
      windows[entry.uri].add((entry.excerpt.window_start, entry.excerpt.window_end, entry.split))
  for found in windows.values():
    inner = sorted(found)
    for (_, end, split), (start, _, other) in itertools.pairwise(inner):
      assert end <= start or split == other


def test_no_clip_is_opened(source, settings, corpus, open_events):
  open_events.clear()
  list(source.list_utterances(corpus, settings))
  suffixes = media.SUFFIXES[source.medium]
  assert not [path for path in open_events if path.lower().endswith(suffixes)]


def test_the_order_of_the_directory_does_not_matter(source, settings, corpus, monkeypatch):
  expected = list(source.list_utterances(corpus, settings))
  scandir = os.scandir
  for seed in range(3):

    @contextlib.contextmanager
    def shuffled(path, seed=seed):
      with scandir(path) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
      random.Random(seed).shuffle(listed)
      yield iter(listed)

    monkeypatch.setattr(os, 'scandir', shuffled)
    assert list(source.list_utterances(corpus, settings)) == expected


def test_ids_do_not_depend_on_where_the_corpus_lies(source, settings, corpus, tmp_path):
  before = [entry.utterance_id for entry in listed(source, settings, corpus)[0]]
  moved = tmp_path / 'elsewhere' / 'deep'
  moved.parent.mkdir()
  os.rename(example.folder_of(source, corpus), moved)
  after = listed(source, settings, example.corpus_in(source, moved))[0]
  assert [entry.utterance_id for entry in after] == before


def test_what_is_missing_is_named(source, settings, tmp_path):
  missing = example.corpus_in(source, tmp_path / 'not there')
  with pytest.raises(errors.SourceError, match='not there.*--input'):
    list(source.list_utterances(missing, settings))


def test_an_empty_folder_is_named(source, settings, tmp_path):
  (tmp_path / 'empty').mkdir()
  with pytest.raises(errors.SourceError, match=r'empty.*--input'):
    list(source.list_utterances(corpus_lib.Corpus(str(tmp_path / 'empty')), settings))


def test_a_file_in_place_of_the_folder_is_named(source, settings, tmp_path):
  if source.takes_file:
    pytest.skip('A file it is.')
  file = tmp_path / 'notes.doc'
  file.touch()
  with pytest.raises(errors.SourceError, match=r'notes\.doc is a file, and a folder was wanted'):
    list(source.list_utterances(corpus_lib.Corpus(str(file)), settings))


def test_a_name_that_is_not_utf8_is_rejected_and_can_be_reported(
  source, settings, corpus, tmp_path
):
  if is_of_a_table(source):
    pytest.skip('It lists what the table names.')
  good, _ = listed(source, settings, corpus)
  clip = next(entry for entry in good if entry.excerpt is None)
  suffix = os.path.splitext(clip.uri)[1]
  odd = os.path.join(
    os.fsencode(os.path.dirname(clip.uri)), b'caf\xe9_a_nohash_1' + suffix.encode()
  )
  try:
    with open(odd, 'wb'):
      pass
  except OSError:
    pytest.skip('This file system takes UTF-8 names only.')
  entries = list(source.list_utterances(corpus, settings))
  (reject,) = (entry for entry in entries if isinstance(entry, rejects.Reject))
  assert reject.reason == 'bad_name'
  assert rf'caf\xe9_a_nohash_1{suffix}' in reject.utterance_id
  for entry in entries:
    repr(entry).encode('utf-8')


def test_what_the_listing_goes_past_is_counted_and_named(source, settings, corpus, tmp_path):
  if is_of_a_table(source):
    pytest.skip('It lists what the table names.')
  before = list(source.entries(corpus, settings))
  assert not [entry for entry in before if isinstance(entry, rejects.Noted)]
  root = pathlib.Path(corpus.root)
  names = [f'gone/deep/{number}.XYZ' for number in range(8)]
  for name in ('empty/', 'notes/README', 'notes/list.txt', *names):
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.mkdir() if name.endswith('/') else file.touch()
  after = list(source.entries(corpus, settings))
  assert after[: len(before)] == before
  assert after[len(before) :] == [
    rejects.Noted(reason='not_read', what='.xyz', count=8, names=tuple(names[:5])),
    rejects.Noted(reason='no_clip_in', count=3, names=('empty', 'gone', 'notes')),
  ]


def test_names_of_labels_and_speakers_are_tidy_and_what_was_changed_is_said(
  source, settings, corpus
):
  good, _ = listed(source, settings, corpus)
  knows_speakers = any(entry.speaker_id != entry.utterance_id for entry in good)

  def untidy(*args):
    for entry in source.list_utterances(*args):
      if isinstance(entry, utterance.Utterance):
        is_known = entry.speaker_id != entry.utterance_id
        speaker = f'{entry.speaker_id}e\u0301' if is_known else entry.speaker_id
        entry = dataclasses.replace(entry, label=f' {entry.label}\t', speaker_id=speaker)
      yield entry

  entries = list(dataclasses.replace(source, list_utterances=untidy).entries(corpus, settings))
  clips = [entry for entry in entries if isinstance(entry, utterance.Utterance)]
  assert [(clip.utterance_id, clip.uri, clip.label) for clip in clips] == [
    (clip.utterance_id, clip.uri, clip.label) for clip in good
  ]
  assert all(
    clip.speaker_id in (f'{known.speaker_id}\xe9', known.utterance_id)
    for clip, known in zip(clips, good, strict=True)
  )
  notes = {entry.what: entry for entry in entries if isinstance(entry, rejects.Noted)}
  assert set(notes) == ({'label', 'speaker'} if knows_speakers else {'label'})
  assert notes['label'].count == len(good)
  assert f"' {min(clip.label for clip in good)}\\t' to " in notes['label'].names[0]


def test_a_name_of_spaces_is_none(source, settings, corpus):
  def blank(*args):
    for entry in source.list_utterances(*args):
      if isinstance(entry, utterance.Utterance):
        yield dataclasses.replace(entry, label=' \u3000')

  entries = list(dataclasses.replace(source, list_utterances=blank).entries(corpus, settings))
  assert entries
  assert {entry.reason for entry in entries} == {'no_label'}
  assert all(entry.detail.endswith('The name of the label is blank.') for entry in entries)


def test_settings_can_be_written_on_a_command_line():
  options.check_table(sources.SETTINGS)


def test_settings_survive_the_command_line_and_pickle(source, settings, request):
  name = request.node.callspec.params['source']
  table = sources.SETTINGS
  text = options.format_option(name, settings)
  assert options.parse(text, table, family='source') == (name, settings)
  assert pickle.loads(pickle.dumps(settings)) == settings


def test_listing_needs_no_tensorflow_and_no_beam():
  # A corpus on a disk must list at once; these two take seconds to import.
  code = (
    'import sys; from beam_jobs import sources; from beam_jobs.sources import corpus; '
    'print(sorted({"tensorflow", "apache_beam", "numpy"} & set(sys.modules)))'
  )
  root = pathlib.Path(sources.__file__).parents[2]
  done = subprocess.run(
    [sys.executable, '-c', code], cwd=root, capture_output=True, text=True, check=True
  )
  assert done.stdout.strip() == '[]'
