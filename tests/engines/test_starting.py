"""How engines are fetched, started and ended. Quick: starts no engine, fetches nothing."""

import os
import re
import signal
import sys
import time

import pytest

from tests.engines import error, launcher, process
from tests.engines.flink import cluster, distribution, settings
from tests.helpers import waits

# Starts a child that would live for long, says its number, and waits.
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])
print(child.pid, flush=True)
time.sleep(600)
"""


def is_alive(pid):
  try:
    with open(f'/proc/{pid}/stat', encoding='utf-8') as stat:
      # A zombie that nobody has waited for is dead enough.
      return stat.read().rpartition(')')[2].split()[0] != 'Z'
  except (FileNotFoundError, ProcessLookupError):
    return False


@pytest.fixture
def family(tmp_path):
  parent = process.Process(
    'parent', [sys.executable, '-c', PARENT], log_path=tmp_path / 'parent.log'
  )
  try:
    while not parent.log().endswith('\n'):
      assert parent.is_running, parent.log_tail()
      time.sleep(0.02)
    yield parent, int(parent.log())
  finally:
    parent.stop()


def test_the_end_of_a_program_is_the_end_of_its_children(family):
  parent, child = family
  parent.stop()
  assert not parent.is_running
  waits.until(lambda: not is_alive(child))


def test_a_killed_program_leaves_its_children_to_stop(family):
  parent, child = family
  parent.kill()
  assert not parent.is_running and is_alive(child)
  parent.stop()
  waits.until(lambda: not is_alive(child))


def test_a_program_that_does_not_listen_is_ended_all_the_same(tmp_path, monkeypatch):
  monkeypatch.setattr(process, '_END_TIMEOUT_S', 0.3)
  deaf = f'import signal, time; signal.signal({int(signal.SIGTERM)}, signal.SIG_IGN);'
  command = [sys.executable, '-c', f'{deaf} print("up", flush=True); time.sleep(600)']
  one = process.Process('deaf', command, log_path=tmp_path / 'deaf.log')
  while one.log() != 'up\n':
    assert one.is_running, one.log_tail()
    time.sleep(0.02)
  one.stop()
  assert not one.is_running


def test_a_cluster_that_does_not_start_shows_its_logs_and_leaves_nothing(tmp_path):
  (tmp_path / 'lib').mkdir()
  made_of = distribution.Distribution(
    java=sys.executable, libraries=tmp_path / 'lib', job_server=tmp_path / 'none.jar',
    flink_line='1.19', beam_version='2.62.0',
  )  # fmt: skip
  with pytest.raises(error.EngineError, match=r'(?s)Flink did not start.*job-manager.*nknown opt'):
    with cluster.running(made_of, tmp_path):
      pass


def test_everything_listens_on_loopback_only(tmp_path):
  settings.write(tmp_path, rpc_port=1, rest_port=2)
  lines = (tmp_path / 'flink-conf.yaml').read_text().splitlines()
  found = dict(line.split(': ') for line in lines)
  hosts = {key: value for key, value in found.items() if re.search('host$|address$', key)}
  assert len(hosts) == 6 and set(hosts.values()) == {'127.0.0.1'}
  assert (found['jobmanager.rpc.port'], found['rest.port']) == ('1', '2')


@pytest.mark.parametrize('missing, name', [('java', 'Java'), ('mvn', 'Maven')])
def test_a_missing_tool_is_named_with_its_package(tmp_path, monkeypatch, missing, name):
  for program in {'java', 'mvn'} - {missing}:
    (tmp_path / program).write_text('#!/bin/sh\n')
    (tmp_path / program).chmod(0o755)
  monkeypatch.setenv('PATH', str(tmp_path))
  monkeypatch.delenv('JAVA_HOME', raising=False)
  with pytest.raises(error.MissingToolError, match=rf'There is no {name} here \(Debian: apt'):
    distribution.fetch()


def test_a_failed_build_is_shown_and_leaves_nothing_that_counts(tmp_path, monkeypatch):
  (tmp_path / 'mvn').write_text('#!/bin/sh\necho no such artifact; exit 1\n')
  (tmp_path / 'mvn').chmod(0o755)
  (tmp_path / 'java').write_text('#!/bin/sh\n')
  (tmp_path / 'java').chmod(0o755)
  monkeypatch.setenv('PATH', f'{tmp_path}:{os.environ["PATH"]}')
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
  monkeypatch.delenv('JAVA_HOME', raising=False)
  monkeypatch.setattr(distribution, '_fetch_libraries', lambda folder: folder)
  with pytest.raises(error.EngineError, match=r'(?s)Could not fetch Beam.*no such artifact'):
    distribution.fetch()
  assert not list((tmp_path / 'cache').rglob('*.jar'))


def test_pom_and_requirements_name_one_flink():
  folder = launcher.ROOT / 'tests' / 'engines' / 'flink'
  version = re.search(r'<flink.version>(.*)</flink.version>', (folder / 'pom.xml').read_text())[1]
  assert f'apache-flink-libraries=={version} ' in (folder / 'requirements.txt').read_text()
  line = re.search(r'<flink.line>(.*)</flink.line>', (folder / 'pom.xml').read_text())[1]
  assert version.startswith(f'{line}.')
