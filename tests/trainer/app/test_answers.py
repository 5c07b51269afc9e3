"""What is heard of files and of clips of the test, and what is kept, without a browser."""

import contextlib
import csv
import dataclasses
import datetime
import io
import shutil

import numpy as np
import PIL.Image
import pytest
import soundfile

import features
from beam_jobs.sources import corpus, folders
from beam_jobs.sources import table as table_source
from exports import exported
from features import image
from features.decoding import clips
from schemas import errors
from tests.trainer.app import conftest
from trainer.app import answer_cards, asked_models, judged_clips, kept_clips
from trainer.decoders import file_decoder
from trainer.runs import saved_run

NOW = datetime.datetime(2026, 5, 4, 3, 2, 1, tzinfo=datetime.UTC)
HIGH = '<i>high</i>'


@pytest.fixture(scope='module')
def run(tones):
  return saved_run.load(str(tones / 'run'))


@pytest.fixture(scope='module')
def model(run):
  return asked_models.AskedModel('ears', conftest.Hearing(run), max_s=60)


def wav(*parts):
  stream = io.BytesIO()
  soundfile.write(stream, np.concatenate(parts), conftest.RATE_HZ, format='WAV')
  return stream.getvalue()


def test_a_clip_is_heard_as_a_whole(model):
  said = model.hear(wav(conftest.tone('mid', 0.5)))
  assert said.top[0][0] == 'mid'
  assert len(said.top) == 3
  assert (said.start_s, said.end_s, said.whole_s) == (0, 0.5, 0.5)
  assert len(said.samples) == conftest.RATE_HZ / 2
  assert said.others == ()


def test_of_a_long_recording_the_loudest_part_is_shown_and_the_others_are_listed(model):
  silence = np.zeros(2 * conftest.RATE_HZ)
  said = model.hear(
    wav(0.1 * conftest.tone('low', 2), silence, conftest.tone(HIGH, 1), silence, silence)
  )
  assert said.top[0][0] == HIGH
  assert (said.start_s, said.end_s, said.whole_s) == (4, 5, 9)
  assert [label for *_, label in said.others] == ['low', HIGH]
  assert said.others[0][0] == 0
  page = answer_cards.answers('x', [said])
  assert (
    'The model hears 1 s at a time. This is the loudest part, from 4.00 to 5.00 s of 9 s.' in page
  )


def test_what_is_too_long_or_no_sound_is_refused_in_a_sentence(model):
  with pytest.raises(clips.ClipError, match=r'Wanted at most 60 s, got 70 s\.'):
    model.hear(wav(np.zeros(70 * conftest.RATE_HZ)))
  with pytest.raises(clips.ClipError, match='Wanted a format'):
    model.hear(b'a text and no sound')


def test_models_of_sounds_and_of_pictures_are_not_asked_together(run, model):
  other = asked_models.AskedModel('eyes', conftest.Hearing(run, audio=None), max_s=60)
  with pytest.raises(errors.ConfigError, match="'ears' takes audio, and 'eyes' takes pictures"):
    asked_models.check([model, other], keep='')
  with pytest.raises(errors.ConfigError, match='--keep=here: sounds are kept'):
    asked_models.check([other], keep='here')
  asked_models.check([model], keep='here')


def test_names_are_shown_and_never_run(model):
  said = model.hear(wav(conftest.tone(HIGH, 1)))
  page = answer_cards.answers('<script>alert(1)</script>.wav', [said, said], label='low')
  assert '<script' not in page
  assert '<i>' not in page
  assert '&lt;i&gt;high' in page.replace('<wbr>', '')
  assert 'Wrong: it is <b><bdi>low</bdi></b>.' in page


@pytest.fixture
def moved(tones, tmp_path):
  """Takes the recordings away for a test."""
  shutil.move(tones / 'corpus', tmp_path / 'elsewhere')
  yield
  shutil.move(tmp_path / 'elsewhere', tones / 'corpus')


def test_a_clip_of_the_test_is_heard_from_its_recording(run, model):
  split = judged_clips.of_run(run, run.folder.judgement)
  assert (split.num_clips, len(split.offered), len(split.wrong)) == (3, 3, 1)
  for clip in split.offered:
    (said,) = split.asked(clip, [model])
    assert said.top[0][0] == clip.label
    assert said.note == ''
    assert len(said.samples) == 0.8 * conftest.RATE_HZ
  named = answer_cards.clip_name(split.wrong[0])
  assert named.startswith(split.wrong[0].label)
  assert '(taken for' in named


@pytest.mark.usefixtures('moved')
def test_without_its_recording_it_is_heard_from_the_stored_waveform(run, model):
  split = judged_clips.of_run(run, run.folder.judgement)
  (said,) = split.asked(split.offered[1], [model])
  assert said.top[0][0] == split.offered[1].label
  assert len(said.samples) == 0.8 * conftest.RATE_HZ
  assert said.note.endswith('is not there any more: this is the waveform in the data set.')
  other = asked_models.AskedModel(
    'other',
    conftest.Hearing(run, audio=dataclasses.replace(run.manifest.audio, clip_s=0.5)),
    max_s=60,
  )
  first, second = split.asked(split.offered[1], [model, other])
  assert first.top and not second.top
  assert 'takes another form' in second.note


@pytest.mark.usefixtures('moved')
def test_without_either_it_is_said_why_nothing_is_heard(run, model, tones, tmp_path):
  shutil.move(tones / 'data', tmp_path / 'data')
  try:
    split = judged_clips.of_run(run, run.folder.judgement)
    first, second = split.asked(split.offered[0], [model, model])
  finally:
    shutil.move(tmp_path / 'data', tones / 'data')
  assert first.top[0][0] != split.offered[0].label  # What the evaluation says.
  assert len(first.samples) == 0
  assert first.note.startswith(f'It cannot be heard: its file {split.offered[0].file!r} is not')
  assert first.note.endswith('The probabilities are those of the evaluation.')


def test_a_run_that_was_not_judged_says_what_to_do(run, tmp_path):
  found = judged_clips.of_run(run, type(run.folder.judgement)(str(tmp_path)))
  assert found.why_none.endswith(f'python -m trainer.evaluate --run_dir={run.folder.path}')


def held(seconds=0.5):
  samples = conftest.tone('low', seconds)
  return kept_clips.Held(samples=samples, rate_hz=8_000, heard_as='mid', model='ears')


def test_what_is_kept_is_read_by_the_data_job(tmp_path):
  kept = kept_clips.KeptClips(str(tmp_path / 'kept'))
  first = kept.keep(kept.hold(held()), ' low ', 'Anna B_c/d', now=NOW)
  assert first.startswith('low/Anna-B-c-d_20260504T030201_')
  again = kept.hold(held(0.6))
  kept.keep(again, '零', '', now=NOW)
  kept.keep(again, '零', '', now=NOW)  # Pressed twice.
  with open(tmp_path / 'kept' / 'kept.csv', encoding='utf-8') as stream:
    rows = list(csv.DictReader(stream))
  assert [row['label'] for row in rows] == ['low', '零']
  assert rows[0]['heard_as'] == 'mid'
  assert rows[0]['when'] == '2026-05-04T03:02:01+00:00'
  read, rate_hz = soundfile.read(tmp_path / 'kept' / first)
  assert rate_hz == 8_000
  np.testing.assert_allclose(read, held().samples, atol=1e-4)
  settings = folders.Folders(speaker_pattern='([^_/]+)_')
  source = corpus.Corpus(str(tmp_path / 'kept'))
  found = {(one.label, one.speaker_id) for one in folders.list_utterances(source, settings)}
  assert found == {('low', 'Anna-B-c-d'), ('零', 'unnamed')}
  source = corpus.Corpus(str(tmp_path / 'kept' / 'kept.csv'))
  listed = list(table_source.list_utterances(source, table_source.Table()))
  assert [one.label for one in listed] == ['low', '零']


@pytest.mark.parametrize(
  'label', ['../out', '/etc', 'a\\b', '.hidden', '~', 'a\nb', 'x' * 101, ' ']
)
def test_a_label_that_is_no_name_of_a_folder_is_refused(tmp_path, label):
  kept = kept_clips.KeptClips(str(tmp_path / 'kept'))
  with pytest.raises(errors.ConfigError, match='A label becomes|Say first'):
    kept.keep(kept.hold(held()), label, '', now=NOW)
  assert [path.name for path in tmp_path.rglob('*')] == ['kept']


def test_what_was_heard_long_ago_is_not_held(tmp_path):
  kept = kept_clips.KeptClips(str(tmp_path))
  old = kept.hold(held(0.01))
  for _ in range(32):
    kept.hold(held(0.01))
  with pytest.raises(errors.ConfigError, match='nothing to be kept any more'):
    kept.keep(old, 'low', '', now=NOW)


def test_a_folder_that_cannot_be_kept_in_is_refused(tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(errors.ConfigError, match='is a file. Name a folder'):
    kept_clips.KeptClips(str(tmp_path / 'file'))
  with pytest.raises(errors.ConfigError, match='a folder of this machine'):
    kept_clips.KeptClips('gs://bucket/x')


class Seeing:
  """Stands for exports.exported.Exported of pictures: the label is the brightest channel."""

  def __init__(self, run):
    spec = features.spec('image', image.Image(height=4, width=6), None)
    self.export = conftest.Hearing(run, audio=None, feature=spec).export

  def of_pictures(self, pixels):
    shares = pixels.mean(axis=(1, 2)) / pixels.mean(axis=(1, 2)).sum(axis=1, keepdims=True)
    return exported.Answers(
      probabilities=shares, logits=np.log(shares + 1e-9), is_none=np.zeros(len(pixels), bool)
    )


def test_a_picture_is_seen_and_shown(run):
  model = asked_models.AskedModel('eyes', Seeing(run), max_s=60)
  stream = io.BytesIO()
  PIL.Image.new('RGB', (30, 20), (10, 200, 30)).save(stream, 'PNG')
  said = model.see(stream.getvalue())
  assert said.top[0][0] == run.manifest.labels[1]
  assert said.pixels.shape == (4, 6, 3)
  page = answer_cards.answers('green.png', [said])
  assert '<img class="vs-picture" src="data:image/png' in page
  assert '<audio' not in page
  with pytest.raises(clips.ClipError, match='Wanted a picture'):
    model.see(b'a text and no picture')


@pytest.fixture(scope='module')
def decoder(run, model):
  found = file_decoder.FileDecoder(max_bytes=1 << 20, program='tests.trainer.app.breaking_files')
  with contextlib.closing(found):
    found.set_up([model.export, Seeing(run).export], max_s=60)
    yield found


def test_an_upload_is_heard_in_a_process_apart_as_here(model, decoder, tmp_path):
  silence = np.zeros(2 * conftest.RATE_HZ)
  for name, parts in (
    ('clip', [conftest.tone('mid', 0.5)]),
    ('long', [0.1 * conftest.tone('low', 2), silence, conftest.tone(HIGH, 1), silence]),
    ('many batches', [conftest.tone('low', 20)]),
  ):
    path = tmp_path / name
    path.write_bytes(wav(*parts))
    there, here = model.hear_parts(decoder.sound(str(path), 0)), model.hear(path.read_bytes())
    assert np.array_equal(there.samples, here.samples)
    assert (there.top, there.others, there.start_s) == (here.top, here.others, here.start_s)


def test_a_picture_is_seen_in_a_process_apart(decoder, tmp_path):
  pixels = np.random.default_rng(1).integers(0, 256, (4, 6, 3), np.uint8)
  PIL.Image.fromarray(pixels).save(tmp_path / 'x.png')
  assert np.array_equal(decoder.picture(str(tmp_path / 'x.png'), 1), pixels)


@pytest.mark.parametrize(
  ('content', 'sentence'),
  [
    (wav(np.zeros(70 * conftest.RATE_HZ)), r'Wanted at most 60 s, got 70 s\.'),
    (b'a text and no sound', 'Wanted a format'),
    (b'', 'got 0 bytes'),
    (b'SEGV', r'the decoder itself breaks \(SIGSEGV\)'),
  ],
)
def test_what_no_decoder_survives_or_knows_is_a_sentence(decoder, tmp_path, content, sentence):
  (tmp_path / 'x').write_bytes(content)
  with pytest.raises(errors.VoxshardError, match=sentence):
    list(decoder.sound(str(tmp_path / 'x'), 0))
  with pytest.raises(errors.VoxshardError, match='Wanted a file, got nothing'):
    decoder.picture(str(tmp_path / 'none'), 1)
