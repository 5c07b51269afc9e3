"""Configuration files of a small cluster: loopback only, small heaps, losses found in seconds."""

import pathlib

# Packages of the JDK that Flink looks into: env.java.opts.all of its own configuration.
_EXPORTS = (
  'java.base/sun.net.util', 'java.rmi/sun.rmi.registry', 'java.security.jgss/sun.security.krb5',
)  # fmt: skip
_OPENS = (
  'lang', 'lang.reflect', 'net', 'io', 'nio', 'text', 'time', 'util', 'util.concurrent',
  'util.concurrent.atomic', 'util.concurrent.locks',
)  # fmt: skip

SETTINGS = {
  'jobmanager.rpc.address': '127.0.0.1',
  'jobmanager.bind-host': '127.0.0.1',
  'rest.address': '127.0.0.1',
  'rest.bind-address': '127.0.0.1',
  'taskmanager.host': '127.0.0.1',
  'taskmanager.bind-host': '127.0.0.1',
  # One TaskManager alone must be able to finish what two have begun.
  'taskmanager.numberOfTaskSlots': '2',
  'cluster.evenly-spread-out-slots': 'true',
  'taskmanager.cpu.cores': '1.0',
  'taskmanager.memory.framework.heap.size': '128m',
  'taskmanager.memory.task.heap.size': '256m',
  'taskmanager.memory.managed.size': '128m',
  'taskmanager.memory.framework.off-heap.size': '128m',
  'taskmanager.memory.task.off-heap.size': '0b',
  # Each shuffle of batches asks for 512 buffers of 32 KiB; with 128 MiB one TaskManager lacked 8 of
  # them when it had to do the work of two.
  'taskmanager.memory.network.min': '192m',
  'taskmanager.memory.network.max': '192m',
  'taskmanager.memory.jvm-metaspace.size': '256m',
  'taskmanager.memory.jvm-overhead.min': '64m',
  'taskmanager.memory.jvm-overhead.max': '64m',
  # Beam keeps its workers from one step to the next only where its classes are the cluster's own,
  # and not sent with the job.
  'classloader.resolve-order': 'parent-first',
  # A batch job without a restart strategy fails with the first machine that is lost.
  'restart-strategy.type': 'fixed-delay',
  'restart-strategy.fixed-delay.attempts': '5',
  'restart-strategy.fixed-delay.delay': '1 s',
  # A machine that is gone refuses two of these at once; one that is slow has time to answer.
  'heartbeat.interval': '1000',
  'heartbeat.rpc-failure-threshold': '2',
  'heartbeat.timeout': '60000',
  'cluster.registration.error-delay': '500',
}

JVM_OPTIONS = (
  '-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1',
  *(f'--add-exports={name}=ALL-UNNAMED' for name in _EXPORTS),
  *(f'--add-opens=java.base/java.{name}=ALL-UNNAMED' for name in _OPENS),
  '--add-opens=java.base/sun.nio.ch=ALL-UNNAMED',
)  # fmt: skip

_LOGGING = """\
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = Console
appender.console.name = Console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss} %-5p %c{1} - %m%n
"""


def write(folder: pathlib.Path, *, rpc_port: int, rest_port: int) -> None:
  """Writes the configuration that JobManager and TaskManagers are started with.

  Args:
    folder: Where to; scratch files of the cluster go there too.
    rpc_port: Where the JobManager meets its TaskManagers.
    rest_port: Where it takes jobs.
  """
  settings = {
    **SETTINGS,
    'jobmanager.rpc.port': str(rpc_port),
    'rest.port': str(rest_port),
    'io.tmp.dirs': str(folder),
  }
  lines = ''.join(f'{key}: {value}\n' for key, value in settings.items())
  (folder / 'flink-conf.yaml').write_text(lines, encoding='utf-8')
  (folder / 'log4j.properties').write_text(_LOGGING, encoding='utf-8')
