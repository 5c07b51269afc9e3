"""Tests of real engines: they start servers on loopback and install what a worker would."""


def pytest_configure(config):
  config.addinivalue_line('markers', 'engines: runs the job on a real engine; minutes, the index')
