"""What the tests of faults share: a corpus, and what an undisturbed job makes of it."""

import pytest

from tests.faults import jobs


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
