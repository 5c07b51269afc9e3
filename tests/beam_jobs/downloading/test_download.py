"""Corpora are fetched from a server on loopback that cuts, lies, and serves hostile archives."""

import dataclasses
import errno
import gzip
import hashlib
import io
import os
import random
import shlex
import shutil
import stat
import sys
import tarfile
import zipfile

import numpy as np
import pytest
import soundfile

from beam_jobs import download, downloading, featurize
from beam_jobs.downloading import getting, offered, showing, unpacking
from schemas import command, errors
from tests.helpers import web_server
from tfrecords import storage
from tfrecords.storage import half_written, passing_faults

NOISE = random.Random(0).randbytes(300_000)
FILES = {'c/yes/1.wav': b'yes', 'c/no/1.wav': NOISE, 'c/list.txt': b'yes/1.wav\n'}
NOTHING = io.BytesIO()


@pytest.fixture(scope='module')
def pages():
  return {}


@pytest.fixture(scope='module')
def address(pages):
  with web_server.serving(pages) as found:
    yield found


@pytest.fixture
def waited(monkeypatch):
  waits = []
  monkeypatch.setattr(passing_faults, 'sleep', waits.append)
  return waits


def zipped(files):
  stream = io.BytesIO()
  with zipfile.ZipFile(stream, 'w', zipfile.ZIP_DEFLATED) as archive:
    for name, content in files.items():
      archive.writestr(name, content)
  return stream.getvalue()


def tarred(files, *members):
  """Returns a .tar.gz of files, and of members with a header of their own: (TarInfo, content)."""
  stream = io.BytesIO()
  with tarfile.open(fileobj=stream, mode='w:gz', compresslevel=1) as archive:
    for name, content in files.items():
      member = tarfile.TarInfo(name)
      member.size = len(content)
      archive.addfile(member, io.BytesIO(content))
    for member, content in members:
      archive.addfile(member, io.BytesIO(content))
  return stream.getvalue()


def member(name, kind=tarfile.REGTYPE, link='', size=0):
  info = tarfile.TarInfo(name)
  info.type, info.linkname, info.size = kind, link, size
  return info


def archive_of(content, name='c.tar.gz', **more):
  values = {
    'url': f'http://127.0.0.1:9/{name}',
    'name': name,
    'sha256': hashlib.sha256(content).hexdigest(),
    'num_bytes': len(content),
    'unpacked_bytes': 400_000,
    'num_files': 5,
    'holds': ('list.txt', 'yes'),
    **more,
  }
  return offered.Archive(**values)


def get(archive, folder, address, **more):
  return getting.get(
    'c:version=1', archive, str(folder), mirror=address, report=lambda *_: None, **more
  )


def tree(folder):
  return {
    path.relative_to(folder).as_posix(): path.read_bytes()
    for path in sorted(folder.rglob('*'))
    if path.is_file() and path.name != getting.NOTE
  }


WANTED = {name.removeprefix('c/'): content for name, content in FILES.items()}


@pytest.mark.parametrize('name', ['c.tar.gz', 'c.zip'])
def test_a_corpus_is_fetched_once(tmp_path, address, pages, name):
  content = (zipped if name.endswith('.zip') else tarred)(FILES)
  pages[f'/{name}'] = page = web_server.Page(content)
  got = get(archive_of(content, name), tmp_path / 'data', address)
  assert tree(tmp_path / 'data') == WANTED
  assert (got.num_files, got.num_bytes, got.is_published) == (3, 300_013, True)
  assert os.listdir(tmp_path) == ['data']
  again = get(archive_of(content, name), tmp_path / 'data', address)
  assert again == dataclasses.replace(got, was_there=True)
  assert len(page.requests) == 1
  mode = stat.S_IMODE((tmp_path / 'data' / 'yes' / '1.wav').stat().st_mode)
  assert not mode & 0o111  # Whatever the archive says.


@pytest.mark.parametrize(
  ('settings', 'ranges'),
  [
    ({'cuts': [100_000, 50_000, 0, 0]}, ['', 'bytes=100000-', *['bytes=150000-'] * 3]),
    ({'statuses': [503, 429], 'cuts': [7]}, ['', '', '', 'bytes=7-']),
    # It has no parts, or forgets what it had: from the start again, and never two states in one.
    ({'cuts': [100_000], 'has_ranges': False}, ['', 'bytes=100000-']),
    ({'cuts': [100_000], 'tag': ''}, ['', '']),
    ({'cuts': [100_000], 'tells_size': False}, ['', 'bytes=100000-', '']),
    ({'cuts': [100_000, 100], 'says_length': -1, 'has_ranges': False}, None),
  ],
  ids=['cuts', 'busy', 'no ranges', 'no tag', 'no size', 'no length'],
)  # fmt: skip
def test_what_is_cut_goes_on(tmp_path, address, pages, waited, settings, ranges):
  content = tarred(FILES)
  pages['/c.tar.gz'] = page = web_server.Page(content, **settings)
  archive = archive_of(content)
  if ranges is None:  # Without a length nobody knows that it was cut, but by the digest.
    for _ in range(2):
      with pytest.raises(errors.SourceError, match='has the SHA-256'):
        get(archive, tmp_path / 'data', address)
  get(archive, tmp_path / 'data', address)
  assert tree(tmp_path / 'data') == WANTED
  assert ranges is None or page.requests == ranges
  assert len(waited) == (len(ranges) - 1 if ranges else 0)


def test_a_file_that_changes_meanwhile_is_begun_anew(tmp_path, address, pages, waited):
  content = tarred(FILES)
  pages['/c.tar.gz'] = page = web_server.Page(b'x' * len(content), after=content, cuts=[1_000])
  get(archive_of(content), tmp_path / 'data', address)
  assert tree(tmp_path / 'data') == WANTED
  assert page.requests == ['', 'bytes=1000-']


def test_the_same_command_goes_on_the_next_day(tmp_path, address, pages, waited):
  content = tarred(FILES)
  pages['/c.tar.gz'] = page = web_server.Page(content, cuts=[100_000, 0, 0, 0, 0])
  with pytest.raises(errors.SourceError, match=r'after 5 tries. 100,000 bytes are kept: run the'):
    get(archive_of(content), tmp_path / 'data', address)
  assert not (tmp_path / 'data').exists()
  page.requests.clear()
  get(archive_of(content), tmp_path / 'data', address)
  assert page.requests == ['bytes=100000-']
  assert tree(tmp_path / 'data') == WANTED
  assert os.listdir(tmp_path) == ['data']


def test_a_server_that_lies_about_the_length_does_not_go_on_for_ever(
  tmp_path, address, pages, waited
):
  content = tarred(FILES)
  for says, problem in (
    (len(content) + 5, 'it is another file'),
    (len(content) - 5, 'it is another file'),
  ):
    pages['/c.tar.gz'] = web_server.Page(content, says_length=says, has_ranges=False)
    with pytest.raises(errors.SourceError, match=problem):
      get(archive_of(content), tmp_path / 'data', address)
  # Where the size is not known.
  pages['/c.tar.gz'] = web_server.Page(content, says_length=len(content) + 5)
  with pytest.raises(errors.SourceError, match='after 5 tries'):
    get(archive_of(content, num_bytes=0), tmp_path / 'data', address)
  pages['/c.tar.gz'] = web_server.Page(content, says_length=len(content) - 5)
  with pytest.raises(errors.SourceError, match='it is another file, or damaged'):
    get(archive_of(content, num_bytes=0), tmp_path / 'data', address)


def test_a_file_without_an_end_is_not_taken(tmp_path, address, pages, monkeypatch):
  monkeypatch.setattr(getting, '_SLACK_BYTES', 0)
  content = bytes(2_000_000)
  for says in (-1, None):
    pages['/c.tar.gz'] = web_server.Page(content, has_ranges=False, says_length=says)
    with pytest.raises(errors.SourceError, match='and the archive at most 800,000'):
      get(archive_of(content, num_bytes=0), tmp_path / 'data', address)


@pytest.mark.parametrize(
  ('statuses', 'said'),
  [([404], 'the server answered 404'), ([403], '403'), ([503] * 5, '503 .*, also after 5 tries')],
)
def test_what_the_server_answers_is_said(tmp_path, address, pages, waited, statuses, said):
  pages['/c.tar.gz'] = web_server.Page(b'x', statuses=list(statuses))
  with pytest.raises(errors.SourceError, match=f'Could not download {address}.*{said}.*--mirror'):
    get(archive_of(b'x'), tmp_path / 'data', address)
  assert not (tmp_path / 'data').exists()


def test_the_digest_is_held(tmp_path, address, pages):
  content = tarred(FILES)
  other = tarred({**FILES, 'c/list.txt': b'yes/2.wav\n'})
  digest = hashlib.sha256(other).hexdigest()
  pages['/c.tar.gz'] = web_server.Page(other)
  archive = archive_of(content, num_bytes=0)
  with pytest.raises(
    errors.SourceError, match=f'has the SHA-256 {digest}, wanted {archive.sha256}'
  ):
    get(archive, tmp_path / 'data', address)
  assert not os.listdir(tmp_path)
  for sha256 in (digest, getting.ANY):
    got = get(archive, tmp_path / sha256, address, sha256=sha256)
    assert (got.sha256, got.is_published) == (digest, False)
  got = get(dataclasses.replace(archive, sha256=''), tmp_path / 'unknown', address)
  assert not got.is_published


HOSTILE = {
  'up': (tarred(FILES, (member('c/../../up.wav', size=1), b'x')), 'path out of the folder'),
  'absolute': (tarred(FILES, (member('/tmp/up.wav', size=1), b'x')), 'path out of the folder'),
  'symlink': (
    tarred(FILES, (member('c/l', tarfile.SYMTYPE, '../../x'), b'')), 'link out of the folder'
  ),
  'symlink to the root': (
    tarred(FILES, (member('c/l', tarfile.SYMTYPE, '/etc'), b'')), 'link'
  ),
  'hard link': (
    tarred(FILES, (member('c/l', tarfile.LNKTYPE, '../x'), b'')), 'link'
  ),
  'device': (tarred(FILES, (member('c/null', tarfile.CHRTYPE), b'')), 'a device or a pipe'),
  'pipe': (tarred(FILES, (member('c/pipe', tarfile.FIFOTYPE), b'')), 'a device or a pipe'),
  'bytes': (tarred({**FILES, 'c/0.wav': bytes(600_000)}), 'more than 800,000 bytes'),
  'files': (tarred({**FILES, **{f'c/{i}': b'' for i in range(9)}}), 'more than 10 files'),
  'twice': (tarred(FILES, (member('c/yes/1.wav', size=1), b'x')), 'the file .* twice'),
  'file as folder': (tarred(FILES, (member('c/list.txt/a', size=1), b'x')), 'of one name'),
  'long name': (tarred(FILES, (member('c/' + 'é' * 130, size=1), b'x')), 'a name that is none'),
  'no name': (tarred(FILES, (member('./', size=1), b'x')), 'without a name|damaged'),
  'header': (
    gzip.compress(member('c/x', tarfile.XHDTYPE, size=1 << 40).tobuf(tarfile.GNU_FORMAT)),
    'damaged or cut off: a header of 1099511627776 bytes',
  ),
  'cut off': (tarred(FILES)[:-20_000], 'damaged or cut off'),
  'without its end': (tarred(FILES)[:-4], 'damaged or cut off'),
  'noise': (NOISE, 'damaged or cut off'),
  'empty': (b'', 'damaged or cut off'),
  'other': (tarred({'c/list.txt': b''}), 'not laid out as the corpus is: there is no yes'),
}  # fmt: skip


def zip_member(name, mode, content=b''):
  info = zipfile.ZipInfo(name)
  info.external_attr = mode << 16
  return {info: content}


def lying_zip():
  """A zip file whose header says one byte of 600,000."""
  content = bytearray(zipped({**FILES, 'c/0.wav': bytes(600_000)}))
  for signature, at in ((b'PK\x03\x04', 22), (b'PK\x01\x02', 24)):
    where = content.rfind(signature) + at
    content[where : where + 4] = (1).to_bytes(4, 'little')
  return bytes(content)


HOSTILE_ZIPS = {
  'up': (zipped({**FILES, 'c/../../up.wav': b'x'}), 'path out of the folder'),
  'absolute': (zipped({**FILES, '/tmp/up.wav': b'x'}), 'path out of the folder'),
  'Windows': (zipped({**FILES, 'c:/up.wav': b'x'}), 'path out of the folder'),
  'backslash': (zipped({**FILES, 'c\\..\\up.wav': b'x'}), 'a name that is none'),
  'symlink': (
    zipped({**FILES, **zip_member('c/l', stat.S_IFLNK | 0o777, b'../../x')}),
    'link out of the folder',
  ),
  'device': (zipped({**FILES, **zip_member('c/d', stat.S_IFCHR)}), 'a device or a pipe'),
  'bytes': (zipped({**FILES, 'c/0.wav': bytes(600_000)}), 'more than 800,000 bytes'),
  'files': (zipped({**FILES, **{f'c/{i}': b'' for i in range(9)}}), 'more than 10 files'),
  'lying': (lying_zip(), 'damaged or cut off'),
  'cut off': (zipped(FILES)[:-20_000], 'damaged or cut off'),
  'noise': (NOISE, 'damaged or cut off'),
}  # fmt: skip


@pytest.mark.parametrize(
  ('name', 'content', 'said'),
  [
    pytest.param(name, *case, id=f'{name} {label}')
    for name, cases in (('c.tar.gz', HOSTILE), ('c.zip', HOSTILE_ZIPS))
    for label, case in cases.items()
  ],
)
def test_a_hostile_archive_leaves_nothing(tmp_path, address, pages, name, content, said):
  pages[f'/{name}'] = web_server.Page(content)
  (tmp_path / 'deep').mkdir()
  with pytest.raises(errors.SourceError, match=said):
    get(archive_of(content, name), tmp_path / 'deep' / 'data', address)
  left = [path for path in tmp_path.rglob('*') if path.name != 'deep']
  # One that is whole, and only laid out otherwise, is kept: it may be the right one after all.
  assert not left or 'laid out' in said
  assert not os.path.exists('/tmp/up.wav')


@pytest.mark.faults
def test_a_damaged_archive_is_unpacked_or_refused(tmp_path):
  """250 of them: never another error, never anything outside of the folder."""
  files = {**FILES, 'c/no/1.wav': NOISE[:4_000]}
  good = {
    'c.zip': zipped(files),
    'c.tar.gz': tarred(files),
    'c.tar': gzip.decompress(
      tarred(files, (member('c/' + 'x' * 200, size=1), b'x'), (member('c/é' * 90, size=1), b'x'))
    ),
  }
  generator = random.Random(0)
  counts = {True: 0, False: 0}
  for index in range(250):
    name = generator.choice(sorted(good))
    content = bytearray(good[name])
    for _ in range(generator.choice((1, 2, 20))):
      # Mostly in the headers, which are at both ends.
      where = generator.choice((generator.randrange(2_000), -1 - generator.randrange(2_000)))
      content[where] = generator.choice((generator.randrange(256), *b'017/.\\'))
    for start in range(0, len(content) - 511, 512) if name == 'c.tar' and index % 3 else ():
      header = content[start : start + 512]
      if header[257:262] == b'ustar':  # So that its checksum is right.
        header[148:156] = b' ' * 8
        content[start + 148 : start + 156] = b'%06o\0 ' % sum(header)
    path, folder = tmp_path / name, tmp_path / 'inner' / 'folder'
    path.write_bytes(content[: generator.choice((len(content), generator.randrange(3_000)))])
    folder.mkdir(parents=True)
    try:
      unpacking.unpack(str(path), str(folder), most_bytes=800_000, most_files=10)
      counts[True] += 1
    except errors.SourceError:
      counts[False] += 1
    assert {entry.name for entry in tmp_path.iterdir()} == {name, 'inner'}
    assert [entry.name for entry in (tmp_path / 'inner').iterdir()] == ['folder']
    assert not any(entry.is_symlink() for entry in folder.rglob('*'))
    path.unlink()
    shutil.rmtree(tmp_path / 'inner')
  assert min(counts.values()) > 25


def test_links_inside_are_left_out_and_said(tmp_path, address, pages):
  link = member('c/other.txt', tarfile.SYMTYPE, 'list.txt')
  hard = member('c/hard.txt', tarfile.LNKTYPE, 'c/list.txt')
  content = tarred(FILES, (link, b''), (hard, b''))
  pages['/c.tar.gz'] = web_server.Page(content)
  got = get(archive_of(content), tmp_path / 'data', address)
  assert got.left_out == ('c/other.txt', 'c/hard.txt')
  assert tree(tmp_path / 'data') == WANTED


def test_room_is_asked_first(tmp_path, address, pages, monkeypatch):
  content = tarred(FILES)
  pages['/c.tar.gz'] = page = web_server.Page(content)
  monkeypatch.setattr(storage, 'free_bytes', lambda path: 500_000)
  with pytest.raises(errors.SourceError, match=r'no room.*7\d\d,\d\d\d bytes are needed, 500,000'):
    get(archive_of(content), tmp_path / 'data', address)
  assert sorted(os.listdir(tmp_path / 'data.partial')) == ['c.tar.gz.part', 'c.tar.gz.part.json']
  assert os.path.getsize(tmp_path / 'data.partial' / 'c.tar.gz.part') == 0
  assert len(page.requests) == 1


def test_a_full_disk_is_told(tmp_path, address, pages, monkeypatch):
  content = tarred(FILES)
  pages['/c.tar.gz'] = web_server.Page(content)

  def full(*_):
    raise OSError(errno.ENOSPC, 'No space left on device')

  monkeypatch.setattr(unpacking._Target, 'add_file', full)
  with pytest.raises(errors.DatasetError, match='No space left on device .*bytes are free there'):
    get(archive_of(content), tmp_path / 'data', address)
  assert not (tmp_path / 'data').exists()


def test_what_is_there_is_not_touched(tmp_path, address, pages):
  content = tarred(FILES)
  pages['/c.tar.gz'] = web_server.Page(content)
  (tmp_path / 'data').mkdir()
  (tmp_path / 'data' / 'mine').write_text('x')
  with pytest.raises(errors.SourceError, match='is there already, and is no corpus'):
    get(archive_of(content), tmp_path / 'data', address)
  get(archive_of(content), tmp_path / 'other', address)
  with pytest.raises(errors.SourceError, match='holds c:version=1, and c:version=2 was wanted'):
    getting.get('c:version=2', archive_of(content), str(tmp_path / 'other'), report=print)
  with pytest.raises(errors.DatasetError, match='Could not write the corpus'):
    get(archive_of(content), tmp_path / 'data' / 'mine' / 'x', address)


def test_two_do_not_download_to_one_folder(tmp_path, address):
  os.mkdir(tmp_path / 'data.partial')
  descriptor = half_written.locked(str(tmp_path / 'data.partial'))
  with pytest.raises(errors.SourceError, match='Another process is downloading'):
    get(archive_of(b'x'), tmp_path / 'data', address)
  os.close(descriptor)


def wav(seconds, rate_hz=16_000, seed=0):
  stream = io.BytesIO()
  samples = np.random.default_rng(seed).normal(0, 0.1, round(seconds * rate_hz))
  soundfile.write(stream, samples, rate_hz, format='WAV')
  return stream.getvalue()


def words(folder, names):
  return {
    f'{folder}{word}/{v:08x}_nohash_0.wav': wav(0.1, seed=v) for word in names for v in (1, 2)
  }


TEN = ['yes', 'no', 'up', 'down', 'left', 'right', 'on', 'off', 'stop', 'go']
MADE = {
  'speech_commands:version=0.02': tarred({
    **words('./', [*TEN, 'cat', 'dog']),
    './_background_noise_/hum.wav': wav(3),
    './testing_list.txt': b'yes/00000001_nohash_0.wav\n',
    './validation_list.txt': b'no/00000001_nohash_0.wav\n',
    './LICENSE': b'CC BY',
  }),
  'speech_commands:version=mini': zipped({
    **words('mini_speech_commands/', TEN[:2]),
    **{f'__MACOSX/{name}': b'x' for name in words('mini_speech_commands/', TEN[:1])},
  }),
  'fsdd': zipped({
    f'free-spoken-digit-dataset-1.0.10/recordings/{digit}_{voice}_{take}.wav': wav(0.1, 8_000, take)
    for digit in (0, 1) for voice in ('theo', 'lucas') for take in (0, 7, 8, 9)
  }),
  'esc50': zipped({
    'ESC-50-master/meta/esc50.csv': b'filename,fold,target,category,esc10,src_file,take\n'
    + b''.join(b'%d.wav,%d,0,%s,True,s%d,A\n' % (i, 1 + i % 5, b'dog' if i % 2 else b'rain', i)
               for i in range(20)),
    **{f'ESC-50-master/audio/{i}.wav': wav(0.1, seed=i) for i in range(20)},
  }),
}  # fmt: skip


@pytest.mark.parametrize('option', MADE)
def test_the_command_that_is_printed_works(tmp_path, address, pages, monkeypatch, capsys, option):
  name, settings = downloading.parse(option)
  corpus = downloading.CORPORA[name]
  archive = corpus.archive(settings)
  # Other than the real one in its size alone: this disk may not have the room for that.
  small = dataclasses.replace(
    archive, unpacked_bytes=1_000_000, num_files=50, num_bytes=0, sha256=''
  )
  monkeypatch.setitem(
    downloading.CORPORA, name, dataclasses.replace(corpus, archive=lambda settings: small)
  )
  pages[f'/{archive.name}'] = web_server.Page(MADE[option])
  folder = tmp_path / 'a corpus'
  arguments = [option, f'--output={folder}', f'--mirror={address}/']
  assert command.run(download.main, arguments) == 0
  said = capsys.readouterr().out
  assert 'compared with no published one' in said
  program, *words = shlex.split(said.splitlines()[-1])
  assert [program, *words[:2]] == ['python', '-m', 'beam_jobs.featurize']
  assert command.run(featurize.main, [*words[2:], '--workers=0', '--notfds_metadata']) == 0
  assert (tmp_path / 'a corpus_features' / 'manifest.json').exists()
  capsys.readouterr()
  assert command.run(download.main, arguments) == 0
  assert 'is there already, and kept' in capsys.readouterr().out


@pytest.mark.parametrize(
  ('arguments', 'said'),
  [
    ([], 'Expected one corpus, got none. There are common_voice, esc50'),
    (['fsdd', 'esc50', '--output=x'], 'Expected one corpus, got fsdd, esc50'),
    (['fsdd'], 'Name the folder'),
    (['fsd', '--output=x'], "No corpus to download is called 'fsd'. Did you mean 'fsdd'"),
    (['fsdd:version=2', '--output=x'], 'version must be one of 1.0.10, 1.0.9'),
    (['fsdd', '--output=s3://b/x'], 'on a disk of this machine'),
    (['fsdd', '--output=x', '--mirror=/data'], '--mirror must be the address'),
    (['common_voice:language=zh-CN', '--output=x'], 'commonvoice.mozilla.org'),
    (['kaggle_speech_commands', '--output=x'], 'kaggle competitions download -c'),
  ],
)
def test_what_is_typed_wrongly_or_needs_an_account(capsys, arguments, said):
  assert command.run(download.main, arguments) == 2
  shown = capsys.readouterr().err
  assert said in shown


def test_the_help_names_every_corpus_with_its_settings(capsys):
  assert command.run(download.main, ['--help']) == 0
  shown = ' '.join(capsys.readouterr().out.split())
  assert 'spoken digits at 8 kHz, a few voices settings: version=1.0.10 kaggle' in shown
  assert 'five seconds each fsdd' in shown


def test_who_fetches_by_hand_is_told_what_to_type_next(capsys):
  assert command.run(download.main, ['common_voice:language=zh-CN', '--output=/data/cv']) == 2
  last = capsys.readouterr().err.splitlines()[-1]
  assert '--source=common_voice:label=age --input=/data/cv/zh-CN' in last


def test_progress_is_lines_where_there_is_no_terminal(monkeypatch):
  out = io.StringIO()
  monkeypatch.setattr(showing, '_PLAIN_INTERVAL_S', 0.0)
  with showing.showing(out) as report:
    report('downloading', 1_500_000, 3_000_000)
    report('downloading', 1_500_000, 0)
  assert out.getvalue() == 'downloading: 1.5 of 3.0 MB\ndownloading: 1.5 MB\n'


def test_progress_is_a_bar_on_a_terminal():
  out = io.StringIO()
  out.isatty = lambda: True
  with showing.showing(out) as report:
    report('downloading', 1_500_000, 3_000_000)
    report('checking', 3_000_000, 3_000_000)
  assert 'downloading' in out.getvalue() and 'checking' in out.getvalue()


@pytest.mark.parametrize('name', downloading.CORPORA)
def test_every_corpus_can_be_had_or_says_how(name):
  corpus = downloading.CORPORA[name]
  settings = corpus.settings()
  assert bool(corpus.archive) != bool(corpus.by_hand)
  words = corpus.featurize('/data', settings)
  assert any(word.startswith('--input=/data') for word in words)
  if corpus.archive:
    archive = corpus.archive(settings)
    assert archive.url.endswith(f'/{archive.name}') and archive.unpacked_bytes > archive.num_bytes


def test_who_interrupts_it_is_told_how_it_goes_on(tmp_path, monkeypatch, capsys):
  def interrupted(*args, **keywords):
    raise KeyboardInterrupt

  monkeypatch.setattr(getting, 'get', interrupted)
  monkeypatch.setattr(sys, 'argv', ['download', 'fsdd', f'--output={tmp_path / "x"}'])
  assert download.run() == command.EXIT_INTERRUPTED
  said = capsys.readouterr().err
  assert 'interrupted: run the same command again, what has come is kept.' in said
