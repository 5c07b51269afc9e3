"""The worker image: built where there is Docker; what can be read off its file is held here."""

import pathlib
import re

ROOT = pathlib.Path(__file__).parents[2]
LINES = (ROOT / 'Dockerfile').read_text(encoding='utf-8').splitlines()


def test_the_image_has_the_beam_of_the_lock():
  lock = (ROOT / 'requirements' / 'latest.txt').read_text(encoding='utf-8')
  pinned = re.search(r'^apache-beam(?:\[\w+\])?==([\d.]+)', lock, re.MULTILINE)[1]
  assert f'FROM apache/beam_python3.11_sdk:{pinned}' in LINES


def test_all_that_is_copied_is_there():
  copied = [word for line in LINES if line.startswith('COPY') for word in line.split()[1:-1]]
  assert {'setup.py', 'README.md', 'beam_jobs', 'requirements/latest.txt'} <= set(copied)
  assert all((ROOT / name).exists() for name in copied)


def test_every_package_is_copied():
  setup = (ROOT / 'setup.py').read_text(encoding='utf-8')
  packages = re.search(r'include=\[(.*?)\]', setup, re.DOTALL)[1]
  for package in re.findall(r"'(\w+)\*'", packages):
    assert f'COPY {package} {package}' in LINES
