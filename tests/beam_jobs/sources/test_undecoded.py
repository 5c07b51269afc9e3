import pytest

from beam_jobs.launching import dry_run, flags
from beam_jobs.sources import corpus as corpus_lib
from beam_jobs.sources import undecoded
from features.decoding import ffmpeg
from schemas import errors, rejects
from schemas import medium as media
from tests.beam_jobs.sources import trees

FILES = ('yes/1.wav', 'yes/2.m4a', 'no/1.M4A', 'no/2.webm', 'no/3.wav', 'no/notes.txt', 'no/4.xyz')


def listed(tmp_path):
  entries = trees.read('folders', trees.make(tmp_path, *FILES))
  return list(undecoded.told(entries, 'audio'))


def test_files_that_want_ffmpeg_are_counted_by_their_ending(tmp_path, monkeypatch):
  monkeypatch.setattr(ffmpeg, 'is_installed', lambda: False)
  notes = [entry for entry in listed(tmp_path) if isinstance(entry, rejects.Noted)]
  notes = [(note.what, note.count, note.names) for note in notes if note.reason == 'no_decoder']
  assert notes == [('.m4a', 2, ('no/1.M4A', 'yes/2.m4a')), ('.webm', 1, ('no/2.webm',))]
  assert undecoded.sentence(listed(tmp_path)) == (
    'No decoder for 2 .m4a, 1 .webm files: they will be rejects. FFmpeg reads these and is not '
    "there: pip install 'voxshard[media]'."
  )


def test_nothing_is_said_where_ffmpeg_is_installed(tmp_path, monkeypatch):
  monkeypatch.setattr(ffmpeg, 'is_installed', lambda: True)
  assert undecoded.sentence(listed(tmp_path)) == ''


def test_all_files_are_those_that_are_not_named_like_something_else(tmp_path):
  root = trees.make(tmp_path, *FILES, 'no/5', 'no/p.JPG', 'no/x.zip').root
  found = corpus_lib.Corpus(root, all_files=True).entries(media.AUDIO_SUFFIXES)
  assert found == sorted([*FILES[:5], 'no/4.xyz', 'no/5'])
  assert corpus_lib.Corpus(root).entries(media.AUDIO_SUFFIXES) == sorted(FILES[:5])


def test_all_files_is_for_audio(tmp_path):
  with pytest.raises(errors.ConfigError, match='--all_files takes any file for audio; the source'):
    flags.parse(['--source=images', f'--input={tmp_path}', '--output=x', '--all_files'])


def test_the_plan_counts_them(tmp_path, monkeypatch):
  monkeypatch.setattr(ffmpeg, 'is_installed', lambda: False)
  trees.make(tmp_path, *FILES)
  config = flags.parse(['--source=folders', f'--input={tmp_path}', '--output=x']).config
  lines = [text for name, text in dry_run.rows(config, num_workers=1) if name == 'noted']
  assert [text[:19] for text in lines if 'no_decoder' in text] == [
    '2 no_decoder .m4a: ',
    '1 no_decoder .webm:',
  ]
