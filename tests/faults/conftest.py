"""What the tests of faults share: a corpus, and what an undisturbed job makes of it."""

import itertools

import pytest

from tests.faults import jobs, mutations

# Of the formats of libsndfile, and as many of M4A, WebM and MP3.
NUM_HOSTILE = 2_000


def pytest_configure(config):
  config.addinivalue_line('markers', 'faults: kills processes and fills disks; make test-faults')


@pytest.fixture(scope='session')
def corpus(tmp_path_factory):
  return jobs.make_corpus(tmp_path_factory.mktemp('corpus'))


@pytest.fixture(scope='session')
def undisturbed(corpus, tmp_path_factory):
  """Digests of all files of an undisturbed run."""
  output = tmp_path_factory.mktemp('undisturbed') / 'data'
  done = jobs.run(jobs.argv(corpus, output))
  assert done.returncode == 0, done.stderr
  return jobs.digests(output)


@pytest.fixture(scope='session')
def hostile(tmp_path_factory):
  """A corpus of damaged and hostile files, `yes/<speaker>_<name>.wav`, whatever they are."""
  root = tmp_path_factory.mktemp('hostile')
  (root / 'yes').mkdir()
  (root / 'no').mkdir()
  media = ((f'media{name}', data) for name, data in mutations.mutated_media(NUM_HOSTILE, seed=2))
  files = itertools.chain(mutations.mutated(NUM_HOSTILE, seed=1), media)
  for i, (name, data) in enumerate(files):
    (root / ('yes', 'no')[i % 2] / f'{"abcdefgh"[i % 8]}_{name}.wav').write_bytes(data)
  return root
