"""Paths as users write them."""

import pytest

from tfrecords import paths


@pytest.mark.parametrize(
  ('path', 'folder'),
  [('a/b//', 'a/b'), ('/a/', '/a'), ('/', '/'), ('s3://b/d/', 's3://b/d'), ('s3://', 's3://')],
)
def test_a_folder_loses_the_slashes_at_its_end(path, folder):
  assert paths.folder(path) == folder
