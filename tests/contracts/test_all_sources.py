"""What every source promises, whoever wrote it."""

import contextlib
import os
import pathlib
import pickle
import random
import subprocess
import sys

import pytest

from beam_jobs import corpus as corpus_lib
from beam_jobs import sources
from schemas import errors, options, utterance

# Small, where the source's own corpus would be large.
SMALL = {'synthetic': {'words': 'yes+no', 'voices': 3, 'takes': 2}}

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
  root = tmp_path / 'corpus'
  for path in source.example_tree:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
  if source.prepare:
    source.prepare(str(root), settings)
  return corpus_lib.Corpus(str(root))


def test_every_audio_file_becomes_one_utterance(source, settings, corpus):
  listed = list(source.list_utterances(corpus, settings))
  on_disk = sorted(
    path.relative_to(corpus.root).as_posix()
    for path in pathlib.Path(corpus.root).rglob('*')
    if path.suffix.lower() in corpus_lib.AUDIO_SUFFIXES
  )
  assert [entry.utterance_id for entry in listed] == on_disk
  assert all(isinstance(entry, utterance.Utterance) for entry in listed)
  assert len(on_disk) >= 4
  for entry in listed:
    assert entry.speaker_id
    assert entry.label
    assert entry.uri == os.path.join(corpus.root, *entry.utterance_id.split('/'))
    assert list(entry.fields) == sorted(entry.fields)


def test_the_example_has_several_labels_and_speakers(source, settings, corpus):
  listed = list(source.list_utterances(corpus, settings))
  assert len({entry.label for entry in listed}) >= 2
  assert len({entry.speaker_id for entry in listed}) >= 2


def test_no_audio_file_is_opened(source, settings, corpus, open_events):
  open_events.clear()
  list(source.list_utterances(corpus, settings))
  assert not [path for path in open_events if path.lower().endswith(corpus_lib.AUDIO_SUFFIXES)]


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
  before = [entry.utterance_id for entry in source.list_utterances(corpus, settings)]
  moved = tmp_path / 'elsewhere' / 'deep'
  moved.parent.mkdir()
  os.rename(corpus.root, moved)
  after = source.list_utterances(corpus_lib.Corpus(str(moved)), settings)
  assert [entry.utterance_id for entry in after] == before


def test_a_missing_folder_is_named(source, settings, tmp_path):
  missing = tmp_path / 'not there'
  with pytest.raises(errors.SourceError, match='no folder .*not there.*--input'):
    list(source.list_utterances(corpus_lib.Corpus(str(missing)), settings))


def test_an_empty_folder_is_named(source, settings, tmp_path):
  (tmp_path / 'empty').mkdir()
  with pytest.raises(errors.SourceError, match='no audio file below .*empty.*no files'):
    list(source.list_utterances(corpus_lib.Corpus(str(tmp_path / 'empty')), settings))


def test_a_file_in_place_of_the_folder_is_named(source, settings, tmp_path):
  file = tmp_path / 'list.csv'
  file.touch()
  with pytest.raises(errors.SourceError, match=r'list\.csv is no folder'):
    list(source.list_utterances(corpus_lib.Corpus(str(file)), settings))


def test_a_name_that_is_not_utf8_is_rejected_and_can_be_reported(
  source, settings, corpus, tmp_path
):
  folder = os.path.dirname(next(source.list_utterances(corpus, settings)).uri)
  odd = os.path.join(os.fsencode(folder), b'caf\xe9_a_nohash_1.wav')
  try:
    with open(odd, 'wb'):
      pass
  except OSError:
    pytest.skip('This file system takes UTF-8 names only.')
  listed = list(source.list_utterances(corpus, settings))
  (reject,) = (entry for entry in listed if not isinstance(entry, utterance.Utterance))
  assert reject.reason == 'bad_name'
  assert r'caf\xe9_a_nohash_1.wav' in reject.utterance_id
  for entry in listed:
    repr(entry).encode('utf-8')


def test_settings_can_be_written_on_a_command_line():
  options.check_table({name: source.settings for name, source in sources.SOURCES.items()})


def test_settings_survive_the_command_line_and_pickle(source, settings, request):
  name = request.node.callspec.params['source']
  table = {key: member.settings for key, member in sources.SOURCES.items()}
  text = options.format_option(name, settings)
  assert options.parse(text, table, family='source') == (name, settings)
  assert pickle.loads(pickle.dumps(settings)) == settings


def test_listing_needs_no_tensorflow_and_no_beam():
  # A corpus on a disk must list at once; these two take seconds to import.
  code = (
    'import sys; from beam_jobs import corpus, sources; '
    'print(sorted({"tensorflow", "apache_beam", "numpy"} & set(sys.modules)))'
  )
  root = pathlib.Path(sources.__file__).parents[2]
  done = subprocess.run(
    [sys.executable, '-c', code], cwd=root, capture_output=True, text=True, check=True
  )
  assert done.stdout.strip() == '[]'
