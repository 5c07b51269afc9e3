"""What is shown of addresses."""

import pickle

import pytest

from schemas import errors, rejects

SIGNED = 'https://h.org/a/b.wav?X-Amz-Signature=f00&x=1'


@pytest.mark.parametrize(
  ('address', 'wanted'),
  [
    (SIGNED, 'https://h.org/a/b.wav?hidden='),
    ('http://me:pass@h.org:80/a.wav', 'http://h.org:80/a.wav'),
    ('HTTPS://me@h.org?token=1', 'HTTPS://h.org?hidden='),
    ('https://h.org/a.wav?id=1#token=2', 'https://h.org/a.wav?hidden='),
    ('https://h.org/a.wav#access_token=2', 'https://h.org/a.wav#hidden='),
    ('s3://key:secret@bucket/a.wav', 's3://bucket/a.wav'),
    ('gs://bucket/a.wav?sig=1', 'gs://bucket/a.wav?hidden='),
    ('ftp://me:pa@h.org/a.wav?token=1', 'ftp://h.org/a.wav?hidden='),
    ('s3://key:sec/ret+1@bucket/a.wav', 's3://bucket/a.wav'),
    ('https://me:pa?ss@h.org/a.wav?token=1', 'https://h.org/a.wav?hidden='),
  ],
)
def test_no_secret_of_an_address_is_shown(address, wanted):
  found = errors.shown(address)
  before, mark, digest = found.partition('hidden=')
  assert before + mark == wanted
  assert not mark or '=' not in digest[:16]
  assert errors.shown(found) == found  # Several may ask it, one behind the other.
  said = f"Could not read '{address}', ({address}): no. {address}."
  assert errors.without_secrets(said) == said.replace(address, found)


@pytest.mark.parametrize(
  'text',
  [
    'a/b.wav?x=1', '/data/why?.wav', 'gs://bucket/why?.wav', 's3://bucket/a#1.wav', 'a://', '://?',
    'https://h.org/a.wav', 'https://h.org/a.wav#1.5-2', 'https://h.org/a?', '', 'me@h.org',
  ],
)  # fmt: skip
def test_what_has_no_secret_stays(text):
  assert errors.shown(text) == errors.without_secrets(text) == text


@pytest.mark.parametrize('name', ["it's b", 'a b', '"a"', '\'a\' "b"', '<a>', '`a`', 'a\nb'])
def test_no_secret_is_shown_of_an_address_with_blanks_and_quotes(name):
  address = f'https://h.org/{name}.wav?sig=f00'
  for said in (f'Got {address!r}: no.', f'Got {[address, name]!r}, {name!r}.'):
    found = errors.without_secrets(said)
    assert 'f00' not in found and found.count('hidden=') == 1 and found.endswith(said[-5:])


def test_addresses_that_differ_behind_the_question_mark_are_told_apart():
  found = {errors.shown(f'https://h.org/a.wav?id={i}') for i in range(1_000)}
  assert len(found) == 1_000
  assert errors.shown(f'{errors.shown(SIGNED)}#1-2') == f'{errors.shown(SIGNED)}#1-2'  # Of a part.


def test_no_error_says_a_secret_wherever_it_is_caught():
  error = rejects.ClipError('bad_uri', f'Wanted a bucket, got {SIGNED!r}.')
  for one in (error, pickle.loads(pickle.dumps(error))):
    reject = one.reject(f'{SIGNED}', SIGNED, 'clips.csv, row 2')
    assert not any('f00' in text for text in (str(one), repr(one.args), str(reject.to_json())))
  assert 'f00' not in str(errors.StorageError(f'Could not read {SIGNED}: gone.'))
