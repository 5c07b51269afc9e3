"""What a record says of where its clip comes from: file, place in it, further fields."""

import csv
import dataclasses
import json

import pytest

from beam_jobs import config as config_lib
from beam_jobs import featurize, sources
from beam_jobs.shards import provenance
from beam_jobs.sources.tfds_records import clip_uri
from features.decoding import clips
from schemas import command, errors, utterance
from schemas.utterance import Utterance
from tests.beam_jobs import corpora
from tfrecords import manifest_file, reader
from tfrecords.wire import codec

COMMENT = 'ä' * 1_001
ROWS = (
  ('path', 'label', 'speaker', 'start', 'duration', 'age', 'device', 'comment'),
  ('no/a.wav', 'no', 'ann', '', '', '41', 'phone', ''),
  ('./yes/../yes/b.wav', 'yes', 'bob', '', '', '', '', COMMENT),
  ('long.wav', 'yes', 'cyd', '1.2345678', '0.5', '70', '', 'x, "y"\nz'),
  ('long.wav', 'no', 'cyd', '1.8', '', '70', '', ''),
)


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
  root = tmp_path_factory.mktemp('corpus')
  corpora.write_wav(root / 'no' / 'a.wav', seconds=0.3)
  corpora.write_wav(root / 'yes' / 'b.wav', seconds=0.7, seed=1)
  corpora.write_wav(root / 'long.wav', seconds=2.5, seed=2)
  with (root / 'clips.csv').open('w', newline='') as stream:
    csv.writer(stream).writerows(ROWS)
  return root


def featurized(corpus, output, *more):
  return command.run(
    featurize.main,
    [
      '--source=table', f'--input={corpus / "clips.csv"}', f'--output={output}', '--workers=0',
      '--feature=log_mel:num_mels=4', '--clip_seconds=0.5', '--sample_rate_hz=8000',
      '--notfds_metadata', '--validation_fraction=0', *more,
    ],
  )  # fmt: skip


def records(folder):
  manifest = manifest_file.load(str(folder))
  for shard in manifest.shards:
    for data in reader.read_records(str(folder / shard.file_name)):
      clip = codec.decode(data, manifest.features)
      yield clip.utterance_id, (clip.file, clip.start_us, clip.end_us, dict(clip.fields))


@pytest.fixture(scope='module')
def data(corpus, tmp_path_factory):
  output = tmp_path_factory.mktemp('data')
  assert featurized(corpus, output) == 0
  return output


def test_a_record_names_its_file_its_place_there_and_what_else_the_table_says(data):
  assert dict(records(data)) == {
    'no/a.wav': ('no/a.wav', 0, 300_000, {'age': '41', 'device': 'phone'}),
    'yes/b.wav': ('yes/b.wav', 0, 700_000, {'comment': COMMENT[:1_000] + '…'}),
    'long.wav#1.2345678-0.5': (
      'long.wav', 1_234_568, 1_734_568, {'age': '70', 'comment': 'x, "y"\nz'}
    ),
    'long.wav#1.8-': ('long.wav', 1_800_000, 2_500_000, {'age': '70'}),
  }  # fmt: skip


def test_a_field_that_is_cut_is_counted_and_named(data, corpus, tmp_path, capsys):
  (note,) = manifest_file.load(str(data)).noted
  assert (note.reason, note.count, note.names) == ('long_field', 1, ('yes/b.wav',))
  assert featurized(corpus, tmp_path / 'new', '--plan') == 0
  assert '1 long_field' in capsys.readouterr().out
  assert featurized(corpus, tmp_path / 'new', '--plan', '--fields=age') == 0
  assert 'long_field' not in capsys.readouterr().out


@pytest.mark.parametrize(
  ('wanted', 'fields'), [('none', {}), ('age', {'age': '41'}), ('age, device', None)]
)
def test_fields_may_be_left_out(wanted, fields, corpus, tmp_path):
  assert featurized(corpus, tmp_path, f'--fields={wanted}', '--split_by=device') == 0
  found = dict(records(tmp_path))['no/a.wav'][3]
  assert found == ({'age': '41', 'device': 'phone'} if fields is None else fields)


def test_a_field_that_no_clip_has_is_a_sentence(corpus, tmp_path, capfd):
  assert featurized(corpus, tmp_path / 'new', '--fields=age,devices') == 2
  assert (
    "--fields=age,devices: no clip has a field 'devices'. Did you mean 'device'? There are: "
    'age, comment, device. all takes all, none none of them.'
  ) in capfd.readouterr().err


def test_names_between_commas_are_wanted():
  with pytest.raises(errors.ConfigError, match='--fields must be all, none or names joined'):
    config_lib.rules.FieldRule(text='age,,device')


@dataclasses.dataclass(frozen=True)
class _Config:
  source: str
  source_settings: object
  input: str


@pytest.mark.parametrize(
  ('source', 'place', 'uri', 'file'),
  [
    ('folders', '/data/words/', '/data/words/yes/a.wav', 'yes/a.wav'),
    ('folders', '/', '/yes/a.wav', 'yes/a.wav'),
    ('folders', 'gs://bucket/words/', 'gs://bucket/words/yes/a.wav', 'yes/a.wav'),
    ('table', '/data/clips.csv', '/data/a.wav', 'a.wav'),
    ('table:root=/audio', '/data/clips.csv', '/audio/x/a.wav', 'x/a.wav'),
    ('table:root=../audio', '/data/x/clips.csv', '/data/audio/a.wav', 'a.wav'),
    ('table:root=gs://bucket/x', '/data/clips.csv', 'gs://bucket/x/a.wav', 'a.wav'),
    ('table', '/data/clips.csv', 's3://bucket/a.wav', 's3://bucket/a.wav'),
    (
      'tfds:name=x',
      '/data',
      clip_uri.uri(
        clip_uri.Place(
          path='/data/x/1.0.0/x-train.tfrecord-00000-of-00001',
          offset_bytes=7,
          length_bytes=9,
          audio=clip_uri.StoredAudio(key='audio', encoding='none'),
        )
      ),
      'x/1.0.0/x-train.tfrecord-00000-of-00001',
    ),
  ],
)
def test_files_are_named_from_the_corpus_on(source, place, uri, file):
  name, settings = sources.parse(source)
  said = provenance.Provenance(_Config(name, settings, place)).of(
    Utterance(utterance_id='i', speaker_id='s', label='l', uri=uri),
    clips.Clip(samples=None, num_samples=1, source_s=0.25, start_s=1.5),
  )
  assert said == {'file': file, 'start_us': 1_500_000, 'end_us': 1_750_000, 'fields': {}}


def test_what_is_shuffled_of_fields_is_bounded():
  clip = Utterance(
    utterance_id='i',
    speaker_id='s',
    label='l',
    uri='u',
    fields=(('a', 'x' * 10**6), ('b', ''), ('c', 'y')),
  )
  kept = clip.with_kept_fields(None)
  assert kept.fields == (('a', 'x' * utterance.MAX_FIELD_CHARS + '…'), ('c', 'y'))
  assert kept.has_long_field
  assert kept.with_kept_fields(None) is kept
  assert clip.with_kept_fields({'c'}).fields == (('c', 'y'),)
  assert json.dumps(dict(kept.fields))
