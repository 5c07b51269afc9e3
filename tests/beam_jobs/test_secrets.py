"""What is secret in the addresses of a table stands in nothing that a job writes or prints."""

import json

import pytest

from beam_jobs import explore, featurize
from schemas import command
from tests.beam_jobs import corpora
from tests.helpers import web_server
from tfrecords import describe, examples, manifest_file, verify
from tfrecords.storage import passing_faults

SECRETS = ('TABLETOKEN', 'SIGNATURE', 'PASSWORD', 'ROOTKEY', 'LINKED', 'somebody')
SIGNED = '?X-Amz-Credential=AKIA%2F2026&X-Amz-Signature=SIGNATURE{}&x=1 2'


@pytest.fixture(scope='module')
def served(tmp_path_factory):
  """The address of a server of a table of signed addresses, and its pages."""
  folder = tmp_path_factory.mktemp('clips')
  pages = {}
  with web_server.serving(pages) as address:
    host = address.removeprefix('http://')
    rows = ['path,label,speaker,link']
    for i in range(9):
      path = folder / f'{i}.wav'
      corpora.write_wav(path, seed=i)
      # Three and three are told apart by what stands behind `?` alone.
      query = SIGNED.format(i)
      pages[f'/{i % 3}.wav{query.replace(" ", "%20")}'] = web_server.Page(path.read_bytes())
      place = f'somebody:PASSWORD@{host}' if i % 2 else host
      rows.append(f'http://{place}/{i % 3}.wav{query},{"ab"[i % 2]},s{i},')
    rows[-1] += '"see https://somebody:PASSWORD@host/x?sig=LINKED, or ask"'
    bad = SIGNED.format('bad').replace(' ', '')
    rows += [
      f'{address}/gone.wav{bad},a,s1,',
      f'{address}/text.wav{bad},b,s2,',
      f'{address}/closed.wav{bad},b,s3,',
      f'{address}/closed.wav{bad},b,s3,',  # The same again.
      f'http://[{address}/odd.wav{bad},b,s3,',
      f'http://127.0.0.1:1/silent.wav{bad.replace("bad", "now")},,s3,',
      f'ftp://somebody:PASSWORD@{host}/a.wav{bad},a,s1,',
      f'file://somebody:PASSWORD@{host}/a.wav{bad},a,s1,',
      'C:\\\\a.wav?sig=1,a,s1,',
    ]
    pages[f'/text.wav{bad}'] = web_server.Page(b'no audio at all' * 99)
    pages[f'/closed.wav{bad}'] = web_server.Page(b'', statuses=[403] * 99)
    table = '\n'.join(rows).encode()
    for query in ('TABLETOKEN', 'TABLETOKEN2'):
      pages[f'/clips.csv?token={query}'] = web_server.Page(table)
    yield address, pages


ROOTED = 'table:root=http://somebody:PASSWORD@host/?key=ROOTKEY'


def argv(address, output, *more, token='TABLETOKEN', source='table'):
  return [
    f'--source={source}',
    f'--input={address}/clips.csv?token={token}', f'--output={output}', '--sample_rate_hz=8000',
    '--clip_seconds=0.5', '--notfds_metadata', '--feature=log_mel:num_mels=20', '--workers=0',
    '--split_by=clip', '--max_reject_fraction=0.9', '--max_per_label=9', *more,
  ]  # fmt: skip


def check_hidden(text):
  for secret in SECRETS:
    assert secret not in text, text[max(0, text.find(secret) - 300) :][:500]


@pytest.fixture(scope='module')
def data(served, tmp_path_factory):
  output = tmp_path_factory.mktemp('out') / 'data'
  assert command.run(featurize.main, argv(served[0], output)) == 0
  return output


def test_no_file_of_a_data_set_holds_a_secret(data, capsys):
  for path in sorted(data.rglob('*')):
    if path.is_file():
      check_hidden(path.name + path.read_bytes().decode('latin-1'))
  config = manifest_file.load(str(data)).config
  assert '/clips.csv?hidden=' in config['input']
  rejected = [json.loads(line) for line in (data / 'rejects.jsonl').read_text().splitlines()]
  assert sorted(line['reason'] for line in rejected) == [
    'bad_uri', 'bad_uri', 'duplicate', 'missing', 'no_label', 'no_permission', 'not_audio',
    'outside', 'unreadable',
  ]  # fmt: skip


def test_addresses_are_told_apart_by_what_is_hidden(data):
  splits = manifest_file.load(str(data)).split_names()
  found = [clip for split in splits for clip in examples.read(str(data), split)]
  assert len({clip.id for clip in found}) == len({clip.file for clip in found}) == 9
  for clip in found:
    before, mark, digest = clip.id.partition('?hidden=')
    assert mark and len(digest) == 16 and before[-5:-4].isdigit() and '@' not in before
    assert clip.id.endswith(f'/{clip.file}')  # Which is relative to the table's folder.
  links = {clip.fields.get('link', '') for clip in found}
  assert len(links) == 2 and any('see https://host/x?hidden=' in link for link in links)


def test_nothing_that_is_printed_holds_a_secret(data, served, tmp_path, capsys):
  address, pages = served
  assert command.run(featurize.main, argv(address, data)) == 0
  said = capsys.readouterr()
  assert 'kept' in said.out
  assert command.run(featurize.main, argv(address, tmp_path / 'p', '--plan', source=ROOTED)) == 0
  # Another address of the table is another data set.
  assert command.run(featurize.main, argv(address, data, token='TABLETOKEN2')) == 2
  assert command.run(featurize.main, argv(address, data, source=ROOTED)) == 2
  assert command.run(describe.main, [str(data)]) == 0
  assert command.run(verify.main, [str(data)]) == 0
  for number, asked in enumerate(([f'--data={data}'], argv(address, '')[:2])):
    page = tmp_path / f'{number}.html'
    assert command.run(explore.main, [*asked, f'--output={page}']) == 0
    check_hidden(page.read_text())
  later = capsys.readouterr()
  assert 'clips.csv?hidden=' in later.out and 'settings: input was' in later.err
  assert "now 'table:root=http://host/?hidden=" in later.err
  for text in (*said, *later):
    check_hidden(text)


@pytest.mark.parametrize('what', ['', 'token', 'clip'])
def test_no_sentence_of_an_error_holds_a_secret(what, served, tmp_path, capsys, monkeypatch):
  monkeypatch.setattr(passing_faults, 'sleep', lambda seconds: None)
  address, pages = served
  arguments = argv(
    address, tmp_path / 'out', token='TABLETOKENLESS' if what == 'token' else 'TABLETOKEN'
  )
  if what == 'clip':
    page = next(page for name, page in pages.items() if 'SIGNATURE8' in name)
    monkeypatch.setattr(page, 'statuses', [503] * 99)
  if not what:
    arguments[1] = '--input=ftp://somebody:PASSWORD@host/clips.csv?token=TABLETOKEN'
  assert command.run(featurize.main, [*arguments, '--debug']) == 2
  said = capsys.readouterr()
  assert 'error: ' in said.err and '?hidden=' in said.err
  for text in said:
    check_hidden(text)
