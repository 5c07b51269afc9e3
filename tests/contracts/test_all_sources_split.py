"""For every source: a speaker is in exactly one split, whatever the corpus looks like."""

import pathlib
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_jobs import config as config_lib
from beam_jobs import sources
from beam_jobs.planning import plan
from beam_jobs.sources import corpus
from schemas import audio, record, splits
from schemas.utterance import Utterance
from tests.contracts import example_corpus

SPEAKERS = st.lists(st.text('abcdef0123456789', min_size=8, max_size=8), unique=True, max_size=12)
CLIPS = st.lists(
  st.tuples(st.integers(0, 11), st.sampled_from(('yes', 'no', 'up')), st.integers(0, 3)),
  min_size=1,
  max_size=40,
  unique=True,
)
LISTED = st.lists(st.integers(0, 39), max_size=20)

# How a source that goes by names wants a clip of (label, speaker, take) to be named.
NAMES = {
  'speech_commands': '{label}/{speaker}_nohash_{take}.wav',
  'file_names': '{label}_{speaker}_{take}.wav',
  'folders': '{label}/{speaker}/{take}.wav',
  'images': '{label}/{speaker}/{take}.png',
}
SETTINGS = {
  'folders': {'speaker_level': 1},
  'images': {'speaker_level': 1},
  # Without the rule of its makers, which may leave a small corpus nothing to train on.
  'speech_commands': {'validation_percentage': 0.0, 'testing_percentage': 0.0},
}


def test_every_source_is_tried():
  # The others go by a table, make their own or need no labels: test_all_sources.py tries them.
  for name, member in sources.SOURCES.items():
    by_table = example_corpus.files_of(member)
    assert name in NAMES or by_table or member.prepare or not member.is_labelled, name


def config(source, root, settings_):
  spec = record.FeatureSpec(name='log_mel', shape=(2, 2), dtype='float16', settings={})
  return config_lib.FeaturizeConfig(
    source=source,
    source_settings=settings_,
    input=str(root),
    output=str(root / 'out'),
    name='data',
    features=(spec,),
    audio=audio.AudioSpec(),
  )


@pytest.mark.parametrize('source', NAMES)
@given(
  speakers=SPEAKERS.filter(bool),
  clips=CLIPS,
  validation=LISTED,
  test=LISTED,
  official=st.booleans(),
)
@settings(max_examples=40)
def test_no_speaker_is_in_two_splits(source, speakers, clips, validation, test, official):
  with tempfile.TemporaryDirectory() as folder:
    root = pathlib.Path(folder)
    names = sorted({
      NAMES[source].format(label=label, speaker=speakers[i % len(speakers)], take=take)
      for i, label, take in clips
    })  # fmt: skip
    for name in names:
      (root / name).parent.mkdir(parents=True, exist_ok=True)
      (root / name).touch()
    if official:
      # Lists that may well put one voice into two splits: the job must not follow them there.
      for split, numbers in (('validation', validation), ('testing', test)):
        listed = sorted({names[number % len(names)] for number in numbers})
        (root / f'{split}_list.txt').write_text(''.join(f'{name}\n' for name in listed))
    member = sources.SOURCES[source]
    job = config(source, root, member.settings(**SETTINGS.get(source, {})))
    entries = list(member.list_utterances(corpus.Corpus(str(root)), job.source_settings))
    assert all(isinstance(entry, Utterance) for entry in entries)
    assert len(entries) == len(names)
    census = plan.Census()
    for entry in entries:
      census.add(entry, job)
    try:
      the_plan = plan.make_plan(census, job)
    except ValueError as error:
      # Only lists that leave nothing to train on are refused.
      assert 'leaves no clip for the train split. The corpus itself says what is' in str(error)
      assert official
      return
    assignment = plan.Assignment(the_plan, job)
    split_of_speaker = {}
    shard_of_clip = {}
    for entry in entries:
      split, index = assignment.shard_of(entry)
      assert split_of_speaker.setdefault(entry.speaker_id, split) == split
      assert 0 <= index < the_plan.shards_by_split[split]
      shard_of_clip[entry.utterance_id] = index
    assert len(shard_of_clip) == len(names)
    assert set(split_of_speaker.values()) <= set(splits.SPLITS)
