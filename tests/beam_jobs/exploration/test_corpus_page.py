"""The page of a corpus: what is counted, what is measured, what is found twice."""

import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from beam_jobs.exploration import originals
from beam_jobs.sources.tfds_records import clip_uri
from schemas import utterance
from tests.beam_jobs import corpora
from tests.contracts import tfds_example
from tests.helpers import exploring
from tfrecords.wire import example_proto, framing

SOURCE = '--source=file_names:pattern={label}/{speaker}_{take}.*'


@pytest.fixture
def words(tmp_path):
  """2 labels, 6 speakers, 2 takes: 24 different clips."""
  root = tmp_path / 'corpus'
  for i, word in enumerate(corpora.WORDS):
    for j, speaker in enumerate(corpora.SPEAKERS):
      for take in range(2):
        samples = exploring.voice(100 * i + 10 * j + take, seconds=0.4 + 0.01 * take)
        exploring.write(root / word / f'{speaker}_{take}.wav', samples)
  return root


def explored(tmp_path, root, *more, source=SOURCE):
  return exploring.explored(tmp_path, source, f'--input={root}', *more)


def test_page_holds_the_numbers(words, tmp_path, capsys):
  page = explored(tmp_path, words)
  assert capsys.readouterr().out == (
    f'{tmp_path}/report.html\n'
    '24 clips, 9.72 s of audio, 2 labels, 6 speakers, 0 duplicates, 0 rejects\n'
  )
  assert '24 clips 9.72 s of audio 2 labels 6 speakers' in page.text
  assert 'Nothing was found' in page.text
  assert 'all 24 clips' in page.section('duplicates')
  assert 'None is there twice' in page.section('duplicates')
  assert '8,000 Hz 24 100 %' in page.section('formats')
  assert 'median 4' in page.section('speakers')


def test_labels_that_look_alike_and_what_the_listing_went_past_are_on_the_page(tmp_path):
  for number, word in enumerate(('Yes', 'yes', 'no ')):
    for take in range(2):
      samples = exploring.voice(10 * number + take, seconds=0.4)
      exploring.write(tmp_path / 'corpus' / word / f'{take}.wav', samples)
  (tmp_path / 'corpus/no /3.xyz').touch()
  page = explored(tmp_path, tmp_path / 'corpus', source='--source=folders')
  assert "Labels look alike, and differ in case, spaces or the form of letters only: 'Yes' and" in (
    page.text
  )
  assert 'not_read .xyz 1 Files that end so are not read.' in page.text
  assert "'no ' to 'no'" in page.text


def test_page_stands_alone(words, tmp_path):
  page = explored(tmp_path, words)
  assert page.addresses
  outside = [address for address in page.addresses if not address.startswith(('data:', '#'))]
  assert not outside
  assert 'url(' not in (tmp_path / 'report.html').read_text()
  assert not any(tag in ('script', 'link', 'iframe') for tag, _ in page.tags)
  assert {address[1:] for address in page.addresses if address[0] == '#'} <= set(page.ids)


def test_examples_of_every_label_can_be_seen_and_heard(words, tmp_path):
  page = explored(tmp_path, words, '--max_examples=3')
  names = [tag for tag, _ in page.tags]
  assert names.count('audio') == 6
  assert sum(attrs.get('class') == 'panel' for tag, attrs in page.tags) == 24
  assert sum(address.startswith('data:audio/wav;base64,') for address in page.addresses) == 6


def test_no_examples_where_none_are_wanted(words, tmp_path):
  page = explored(tmp_path, words, '--max_examples=0')
  assert 'audio' not in [tag for tag, _ in page.tags]
  assert 'Examples' not in page.text


def test_the_same_corpus_gives_the_same_bytes_in_another_process(words, tmp_path):
  explored(tmp_path, words)
  output = tmp_path / 'again.html'
  subprocess.run(
    [
      *(sys.executable, '-m', 'beam_jobs.explore'),
      *(SOURCE, f'--input={words}', f'--output={output}'),
    ],
    check=True,
    cwd=pathlib.Path(__file__).parents[3],
    env={**os.environ, 'PYTHONHASHSEED': '2', 'OPENBLAS_NUM_THREADS': '1'},
    capture_output=True,
  )
  assert output.read_bytes() == (tmp_path / 'report.html').read_bytes()


def test_copies_are_found_whatever_their_format_gain_or_offset(words, tmp_path):
  samples, rate_hz = soundfile.read(words / 'no' / 'ann_0.wav', dtype='int16')
  shutil.copy(words / 'no' / 'bob_0.wav', words / 'no' / 'bob_9.wav')
  exploring.write(words / 'no' / 'ann_9.flac', samples, rate_hz)
  louder = np.concatenate([np.zeros(300), exploring.voice(20, seconds=0.4) * 0.25])  # no/cyd_0
  exploring.write(words / 'no' / 'gus_9.wav', louder)
  exploring.write(words / 'yes' / 'eve_9.ogg', exploring.voice(140, seconds=0.4))  # yes/eve_0
  page = explored(tmp_path, words)
  found = page.section('duplicates')
  assert 'no/ann_0.wav no, speaker ann no/ann_9.flac no, speaker ann equal samples' in found
  assert 'no/bob_0.wav no, speaker bob no/bob_9.wav no, speaker bob equal samples' in found
  assert 'no/cyd_0.wav no, speaker cyd no/gus_9.wav no, speaker gus several speakers' in found
  assert 'yes/eve_0.wav yes, speaker eve yes/eve_9.ogg yes, speaker eve sounds the same' in found
  # And nothing else.
  assert '4 duplicates' in page.text
  assert found.count('.wav') == 6


def test_one_recording_under_two_labels_is_a_contradiction(words, tmp_path):
  shutil.copy(words / 'no' / 'bob_0.wav', words / 'yes' / 'bob_9.wav')
  page = explored(tmp_path, words)
  assert '1 recording has more than one label' in page.text
  assert 'several labels' in page.section('duplicates')


def test_the_same_audio_in_two_official_splits_is_named(tmp_path):
  root = tmp_path / 'corpus'
  for i, word in enumerate(('no', 'yes')):
    for speaker in range(4):
      exploring.write(
        root / word / f'{speaker:08x}_nohash_0.wav', exploring.voice(10 * i + speaker)
      )
  shutil.copy(root / 'no' / '00000000_nohash_0.wav', root / 'no' / '00000003_nohash_1.wav')
  (root / 'testing_list.txt').write_text('no/00000003_nohash_0.wav\nno/00000003_nohash_1.wav\n')
  (root / 'validation_list.txt').write_text('yes/00000001_nohash_0.wav\n')
  page = explored(tmp_path, root, source='--source=speech_commands')
  assert 'Leakage: 1 recording is in more than one split' in page.text
  assert 'leak: test + train' in page.section('duplicates')
  assert 'train' in page.section('splits')
  assert '2 speakers are in more than one split (00000001, 00000003)' in page.text


def test_names_are_shown_and_never_run(tmp_path):
  root = tmp_path / 'corpus'
  for label in ('<script>alert(1)<', '"quoted" & \'so\'', '\u202ereversed', 'übel 你好'):
    for take in range(2):
      exploring.write(root / label / f'<b>{take}_0.wav', exploring.voice(len(label) + take))
  page = explored(tmp_path, root)
  assert 'script' not in [tag for tag, _ in page.tags]
  assert '<script>alert(1)<' in page.section('labels')
  assert '"quoted" & \'so\'' in page.section('labels')
  assert 'übel 你好' in page.section('labels')
  assert '\u202e' not in page.text
  assert 'speaker <b>0' in page.section('examples')


def test_what_cannot_be_opened_is_counted_with_advice(words, tmp_path):
  (words / 'no' / 'bad_0.wav').write_bytes(b'this is no audio')
  (words / 'no' / 'empty_0.wav').write_bytes(b'')
  cut = (words / 'no' / 'ann_0.wav').read_bytes()[:-500]
  (words / 'no' / 'cut_0.wav').write_bytes(cut)
  (words / 'no' / 'nameless.wav').write_bytes(cut)
  page = explored(tmp_path, words)
  found = page.section('rejects')
  for reason in ('bad_name', 'empty', 'not_audio', 'truncated'):
    assert reason in found
  assert 'Convert it to WAV or FLAC' in found
  assert 'no/bad_0.wav: Wanted a format' in found
  assert '24 clips' in page.text
  assert '4 files cannot be used (14 %)' in page.text


def test_rates_channels_codecs_clipping_and_silence(words, tmp_path):
  exploring.write(words / 'no' / 'gus_0.wav', np.zeros(4000))
  loud = np.clip(20 * exploring.voice(77), -1, 1)
  exploring.write(words / 'no' / 'gus_1.flac', loud)
  stereo = np.stack([exploring.voice(78, rate_hz=44_100)] * 2, axis=1)
  exploring.write(words / 'no' / 'gus_2.wav', stereo, 44_100, subtype='PCM_24')
  page = explored(tmp_path, words)
  formats = page.section('formats')
  assert '44,100 Hz 1' in formats
  assert 'stereo 1' in formats
  assert 'WAV, 24 bit PCM 1' in formats
  assert 'FLAC, 16 bit PCM 1' in formats
  assert '1 clip holds nothing but digital silence' in page.text
  assert '2 sampling rates (8,000 Hz, 44,100 Hz)' in page.text
  assert 'no/gus_1.flac' in page.section('loudness')


def test_no_more_clips_are_opened_than_asked_for(words, tmp_path):
  page = explored(tmp_path, words, '--max_clips=10')
  assert '10 of 24 clips' in page.section('duplicates')
  assert '10 clips picked by a hash' in page.section('lengths')
  assert 'of audio' not in page.text[:300]
  assert 'no 12 50 %' in page.section('labels')
  assert '--max_clips=N opens more' in page.text


def test_good_clips_that_were_not_asked_for_are_counted_apart(tmp_path):
  root = tmp_path / 'corpus'
  for i, word in enumerate(('bed', 'cat', 'no', 'yes')):
    for speaker in range(3):
      exploring.write(
        root / word / f'{speaker:08x}_nohash_0.wav', exploring.voice(10 * i + speaker)
      )
  page = explored(tmp_path, root, source='--source=speech_commands:wanted_words=no+yes,unknown=2')
  assert 'not_wanted 4 ' in page.section('rejects')
  assert 'No clip was rejected' in page.section('rejects')
  assert 'unknown 2 ' in page.section('labels')
  assert '0 rejects' in page.text


def test_clips_without_labels(words, tmp_path):
  page = explored(tmp_path, words, source='--source=unlabelled')
  assert 'have no labels' in page.section('labels')
  assert 'Speakers' not in page.text
  assert 'unlabelled' not in page.section('examples')
  assert 'unlabelled' not in page.section('splits')
  assert len([tag for tag, _ in page.tags if tag == 'audio']) == 2


def test_clips_without_speakers(words, tmp_path):
  page = explored(tmp_path, words, source='--source=folders')
  assert 'not known who speaks' in page.section('speakers')
  assert 'speakers' not in page.section('labels')


def test_parts_of_a_long_recording(tmp_path):
  samples = np.concatenate([exploring.voice(seed) for seed in range(4)])
  exploring.write(tmp_path / 'long.wav', samples)
  rows = [f'long.wav,word{i % 2},ann,{i * 0.5},0.5' for i in range(4)]
  rows.append('long.wav,word0,ann,99,1')
  table = tmp_path / 'clips.csv'
  table.write_text('\n'.join(['path,label,speaker,start,duration', *rows]) + '\n')
  page = explored(tmp_path, table, source='--source=table')
  assert 'All are 0.5 s long' in page.section('lengths')
  assert 'bad_excerpt' in page.section('rejects')
  assert '4 clips 2 s of audio' in page.text
  assert 'None is there twice' in page.section('duplicates')


def test_pictures(tmp_path):
  from PIL import Image

  root = tmp_path / 'corpus'
  rng = np.random.default_rng(0)
  for label in ('circle', 'square'):
    (root / label).mkdir(parents=True)
    for i in range(4):
      pixels = rng.integers(0, 256, (20, 30, 3), np.uint8)
      Image.fromarray(pixels).save(root / label / f'{i}.png')
  Image.open(root / 'circle' / '0.png').save(root / 'square' / 'same.bmp')
  (root / 'square' / 'bad.png').write_bytes(b'none')
  page = explored(tmp_path, root, source='--source=images')
  assert '9 pictures' in page.text
  assert 'circle/0.png' in page.section('duplicates')
  assert 'square/same.bmp' in page.section('duplicates')
  assert 'not_a_picture' in page.section('rejects')
  assert len([tag for tag, _ in page.tags if tag == 'img']) == 4
  assert 'Loudness' not in page.text


def test_a_corpus_of_which_nothing_can_be_used(tmp_path):
  for path, data in tfds_example.files().items():  # Records whose audio is empty.
    (tmp_path / 'tfds' / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / 'tfds' / path).write_bytes(data)
  page = explored(tmp_path, tmp_path / 'tfds', source='--source=tfds')
  assert '5 files cannot be used (100 %)' in page.text
  assert 'no_samples' in page.section('rejects')


def test_clips_inside_of_records_of_tfds(tmp_path):
  samples = np.arange(-500, 500) * 16
  example = example_proto.Example()
  example.features.feature['audio'].int64_list.value.extend(samples.tolist())
  record = b''.join(framing.frame(example.SerializeToString()))
  (tmp_path / 'x.tfrecord').write_bytes(record)
  place = clip_uri.Place(
    path=str(tmp_path / 'x.tfrecord'),
    offset_bytes=0,
    length_bytes=len(record) - framing.OVERHEAD_BYTES,
    audio=clip_uri.StoredAudio(key='audio', encoding='none', dtype='int64', bits=16, rate_hz=8000),
  )
  clip = utterance.Utterance(
    utterance_id='0', speaker_id='ann', label='no', uri=clip_uri.uri(place)
  )
  sound = originals.sound(clip)
  assert sound.sample_rate_hz == 8000
  np.testing.assert_array_equal(sound.mono * 32768, samples)


def test_the_source_makes_its_own_corpus_first(tmp_path):
  pytest.importorskip('espeakng_loader')
  page = explored(
    tmp_path, tmp_path / 'made', source='--source=synthetic:words=no+yes,voices=2,takes=1'
  )
  assert '16,000 Hz' in page.section('formats')
  assert 'Leakage' not in page.text


@pytest.mark.fsdd
@pytest.mark.skipif('VOXSHARD_FSDD' not in os.environ, reason='VOXSHARD_FSDD names no folder')
def test_no_take_of_a_digit_is_taken_for_another(tmp_path):
  page = exploring.explored(
    tmp_path, '--source=file_names', f'--input={os.environ["VOXSHARD_FSDD"]}', '--max_examples=0'
  )
  assert '0 duplicates' in page.text
