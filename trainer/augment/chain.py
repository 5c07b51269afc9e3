"""Several augmentations in order, from the numbers that are drawn to the batch that is learned.

All that is random is drawn in tf.data, for a whole batch at once, from the run's seed and the
number of the step. What an example becomes is decided by its numbers alone: not by how many devices
share the batch, nor by whether the run was interrupted. The numbers travel with the batch, and the
samples and features are changed on the device.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import features
from features import extractor
from schemas import audio as audio_lib
from schemas import errors, options, record
from trainer import augment
from trainer.augment import augmentation, bank
from trainer.lazy import tf

# Keys of a batch, beside the feature and the label. No feature's name holds a stroke.
DRAWS = 'augment/draws'  # float32 [batch, num_draws]
OTHER_LABEL = 'augment/other_label'  # int64 [batch]
OTHER_SHARE = 'augment/other_share'  # float32 [batch]
_PICKED = 'augment/picked/'  # int16 [batch, ...]: of the recordings of the step of this number.

_SAMPLES = 'waveform'  # The feature that is audio.
# Where the data job cuts and pads, as a share of the clip.
_ANCHORS = {audio_lib.START: 0.0, audio_lib.CENTRE: 0.5, audio_lib.END: 1.0}

# One that takes either goes with those of samples.
_ORDER = {
  augmentation.BATCH: 0,
  augmentation.SAMPLES: 1,
  augmentation.EITHER: 1,
  augmentation.FEATURES: 2,
}
_WHY = {
  augmentation.BATCH: 'it mixes whole batches as they are read',
  augmentation.SAMPLES: 'it changes samples, from which features are computed',
  augmentation.EITHER: 'it changes samples where there are any, from which features are computed',
  augmentation.FEATURES: 'it changes features',
}


@dataclasses.dataclass(frozen=True)
class _Step:
  name: str
  settings: Any
  first_draw: int

  @property
  def member(self) -> augmentation.Augmentation:
    return augment.AUGMENTATIONS[self.name]

  @property
  def num_draws(self) -> int:
    """Its own, and one in front of them for the probability."""
    return 1 + self.member.num_draws(self.settings)

  def numbers(self, draws: tf.Tensor) -> tf.Tensor:
    """Returns those of its own of what was drawn for each example."""
    return draws[:, self.first_draw : self.first_draw + self.num_draws]

  def takes(self, reads_samples: bool) -> str:
    """What it changes: BATCH, SAMPLES or FEATURES."""
    if self.member.takes != augmentation.EITHER:
      return self.member.takes
    return augmentation.SAMPLES if reads_samples else augmentation.FEATURES

  def wants(self, reads_samples: bool) -> str:
    """What it wants of features; ANY where it leaves them as they are."""
    takes_features = self.takes(reads_samples) == augmentation.FEATURES
    return self.member.wants if takes_features else augmentation.ANY


class Chain:
  """What is done to the examples of the train split; empty: nothing."""

  def __init__(self, texts: Sequence[str]) -> None:
    """Takes what --augment says, in order.

    Raises:
      ConfigError: for an unknown augmentation or setting, a wrong value, or an order that makes no
        sense.
    """
    self._steps: list[_Step] = []
    self.num_draws = 0
    for text in texts:
      step = _Step(*augment.parse(text), first_draw=self.num_draws)
      self._steps.append(step)
      self.num_draws += step.num_draws
    _check_order(self._steps)
    self._banks: dict[int, bank.Bank] = {}

  def __bool__(self) -> bool:
    return bool(self._steps)

  def __str__(self) -> str:
    return ', '.join(options.format_option(step.name, step.settings) for step in self._steps)

  def check(self, read: record.FeatureSpec, computed: record.FeatureSpec | None) -> None:
    """Raises ConfigError if the data set does not give what an augmentation takes.

    Args:
      read: What is read from the records.
      computed: What the model computes from it; None if it takes what is read.
    """
    taken = computed or read
    for step in self._steps:
      if step.member.takes == augmentation.SAMPLES and read.name != _SAMPLES:
        raise errors.ConfigError(
          f'--augment={step.name} changes the samples of a clip, but {read.name!r} is read. Store '
          'the feature waveform and train with --feature=waveform --compute=log_mel, or let the '
          'data job make changed copies with its --augment.'
        )
      _check_feature(step, step.wants(read.name == _SAMPLES), taken)

  def with_recordings(self, audio: audio_lib.AudioSpec | None) -> Chain:
    """Returns the same with the recordings that it needs, which `attach` and `prepare` take from.

    They are held in memory, once for all that ask in this process.

    Args:
      audio: The form of the clips; None for pictures, which need no recordings.

    Raises:
      ConfigError: if there are none where the user says.
    """
    found = copy.copy(self)
    found._banks = {}
    if audio is None:
      return found
    for i, step in enumerate(self._steps):
      if step.member.recordings:
        held = step.member.recordings(step.settings, audio.sample_rate_hz)
        if held is not None:
          found._banks[i] = bank.Bank(held)
    return found

  @property
  def held_bytes(self) -> int:
    """What the recordings take in memory."""
    return sum(recorded.held.num_bytes for recorded in self._banks.values())

  def picked_bytes(self, num_samples: int) -> int:
    """Returns about what of the recordings travels with an example of so many samples."""
    return sum(
      2 * min(num_samples, int(recorded.held.lengths.max())) for recorded in self._banks.values()
    )

  @property
  def digest(self) -> str:
    """Of all recordings; '' where there are none."""
    return '+'.join(recorded.held.digest() for recorded in self._banks.values())

  def notes(self) -> Iterator[str]:
    """Yields what is to be said of the recordings."""
    for i, recorded in self._banks.items():
      yield f'--augment={self._steps[i].name} has {"; ".join(recorded.held.notes)}.'

  def context(
    self,
    read: record.FeatureSpec,
    computed: record.FeatureSpec | None,
    audio: audio_lib.AudioSpec | None,
    *,
    fill: tuple[float, ...],
    most_rows: int = 0,
  ) -> augmentation.Context:
    """Returns what of a data set its augmentations need to know.

    Args:
      read: What is read from the records.
      computed: What the model computes from it; None if it takes what is read.
      audio: The form of the clips; None for pictures.
      fill: The mean of what the network takes, one value per bin.
      most_rows: Of what is read, rows of the longest clip; 0 where all have one length.
    """
    if audio is None:
      return augmentation.Context(fill=fill)
    found = augmentation.Context(
      sample_rate_hz=audio.sample_rate_hz,
      reads_samples=read.name == _SAMPLES,
      fill=fill,
      anchor=_ANCHORS[audio.position],
      most_rows=most_rows,
    )
    taken = computed or read
    if not any(step.wants(found.reads_samples) == augmentation.FREQUENCIES for step in self._steps):
      return found
    return dataclasses.replace(
      found,
      bins_hz=_bins_hz(taken, audio),
      silence=_silence(taken, audio),
    )

  def attach(
    self, batches: tf.data.Dataset, feature_name: str, *, seed: int, start_step: int = 0
  ) -> tf.data.Dataset:
    """Returns the batches with the numbers that are drawn for them, mixed where that is asked for.

    Args:
      batches: Whole ones, in the order of the steps, as dataset.read_batches gives them.
      feature_name: What is read.
      seed: The run's.
      start_step: The number of the first batch's step, from 0.
    """
    if not self._steps:
      return batches

    def prepare(step: tf.Tensor, batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
      return self.prepare(batch, feature_name, seed=seed, step=step)

    prepared = batches.enumerate(start_step).map(
      prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    return prepared.prefetch(tf.data.AUTOTUNE)

  def prepare(
    self, batch: Mapping[str, tf.Tensor], feature_name: str, *, seed: int, step: tf.Tensor | int
  ) -> dict[str, tf.Tensor]:
    """Returns one whole batch with the numbers that are drawn for it, and mixed."""
    seeds = tf.stack([tf.constant(seed, tf.int64), tf.cast(step, tf.int64)])
    shape = [tf.size(batch[record.LABEL]), self.num_draws]
    # Philox by name: what else may be picked differs between devices.
    draws = tf.random.stateless_uniform(shape, seeds, alg='philox')
    draws = tf.ensure_shape(draws, [batch[record.LABEL].shape[0], self.num_draws])
    return {
      **self._mixed(batch, feature_name, draws),
      DRAWS: draws,
      **self._picked(draws, tf.shape(batch[feature_name])[1]),
    }

  def on_samples(
    self, inputs: Any, batch: Mapping[str, tf.Tensor], context: augmentation.Context
  ) -> Any:
    """Returns a model's inputs with all done that takes samples.

    Args:
      inputs: Values, or values and rows.
      batch: What `prepare` made of the examples.
      context: What of the data set is needed.
    """
    return self._applied(augmentation.SAMPLES, inputs, batch, context)

  def on_features(
    self, inputs: Any, batch: Mapping[str, tf.Tensor], context: augmentation.Context
  ) -> Any:
    """Returns a model's inputs with all done that takes features; otherwise as on_samples."""
    return self._applied(augmentation.FEATURES, inputs, batch, context)

  def _picked(self, draws: tf.Tensor, num_samples: tf.Tensor) -> dict[str, tf.Tensor]:
    """Returns what each example gets of recordings."""
    found = {}
    for i, recorded in self._banks.items():
      step = self._steps[i]
      mine = step.numbers(draws)[:, 1:]
      picked = step.member.pick(recorded, step.settings, mine, num_samples)
      found[f'{_PICKED}{i}'] = tf.ensure_shape(picked, [draws.shape[0], None])
    return found

  def _applied(
    self, takes: str, inputs: Any, batch: Mapping[str, tf.Tensor], context: augmentation.Context
  ) -> Any:
    is_variable = isinstance(inputs, list | tuple)
    values, num_rows = inputs if is_variable else (inputs, None)
    examples = augmentation.Examples(values=values, num_rows=num_rows)
    for i, step in enumerate(self._steps):
      if step.takes(context.reads_samples) == takes:
        examples = dataclasses.replace(examples, picked=batch.get(f'{_PICKED}{i}'))
        examples = _do(step, examples, batch[DRAWS], context)
    return [examples.values, examples.num_rows] if is_variable else examples.values

  def _mixed(
    self, batch: Mapping[str, tf.Tensor], feature_name: str, draws: tf.Tensor
  ) -> dict[str, tf.Tensor]:
    """Returns the batch, mixed in float32 and stored as it was: so it stays as small."""
    mixed = dict(batch)
    for step in self._steps:
      if step.member.takes == augmentation.BATCH:
        stored = batch[feature_name]
        examples = augmentation.Examples(
          values=tf.cast(stored, tf.float32),
          num_rows=batch.get(f'{feature_name}/num_rows'),
          other_label=batch[record.LABEL],
        )
        examples = _do(step, examples, draws, augmentation.Context())
        mixed[feature_name] = _as_stored(examples.values, stored.dtype)
        mixed[OTHER_LABEL], mixed[OTHER_SHARE] = examples.other_label, examples.other_share
    return mixed


def losses(
  loss: Any, labels: tf.Tensor, logits: tf.Tensor, batch: Mapping[str, tf.Tensor]
) -> tf.Tensor:
  """Returns the loss of each example, float32 [batch], by both of its labels if it has two.

  Cross entropy is linear in the target, so this is its value for the mixture of both labels.

  Args:
    loss: Returns the losses of labels [batch] and logits [batch, num_labels].
    labels: The first label of each.
    logits: What the model says.
    batch: As Chain.prepare made it; without a second label the loss is that of the first.
  """
  first = loss(labels, logits)
  if OTHER_LABEL not in batch:
    return first
  share = batch[OTHER_SHARE]
  return (1 - share) * first + share * loss(batch[OTHER_LABEL], logits)


def _do(
  step: _Step,
  examples: augmentation.Examples,
  draws: tf.Tensor,
  context: augmentation.Context,
) -> augmentation.Examples:
  """Returns the examples, changed where the step's first number is below its probability."""
  mine = step.numbers(draws)
  changed = step.member.apply(examples, step.settings, mine[:, 1:], context)
  if changed.num_rows is None:  # The graph may have lost count of what it gathered.
    values = tf.ensure_shape(changed.values, examples.values.shape)
    changed = dataclasses.replace(changed, values=values)
  if step.settings.probability == 1:
    return changed
  is_chosen = mine[:, 0] < step.settings.probability  # [batch]
  values, num_rows, share = examples.values, changed.num_rows, changed.other_share
  if num_rows is not None:  # There may be more room now.
    more = tf.shape(changed.values)[1] - tf.shape(values)[1]
    values = tf.pad(values, [[0, 0], [0, more], *[[0, 0]] * (values.shape.rank - 2)])
    num_rows = tf.where(is_chosen, num_rows, tf.cast(examples.num_rows, num_rows.dtype))
  by_value = tf.reshape(is_chosen, [-1, *[1] * (values.shape.rank - 1)])
  return dataclasses.replace(
    changed,
    values=tf.where(by_value, changed.values, values),
    num_rows=num_rows,
    other_share=None if share is None else tf.where(is_chosen, share, 0.0),
  )


def _check_feature(step: _Step, wants: str, taken: record.FeatureSpec) -> None:
  """Raises ConfigError if a feature has no such axes as an augmentation wants."""
  if wants != augmentation.ANY and len(taken.shape) < 2:
    raise errors.ConfigError(
      f'--augment={step.name} changes bins, but {taken.name!r} has no bins. Let the model compute '
      'a feature that has: --compute=log_mel.'
    )
  if wants == augmentation.FREQUENCIES and not _has_frequencies(taken):
    known = [name for name, kind in features.FEATURES.items() if kind.bins_hz]
    takes_either = step.member.takes == augmentation.EITHER
    either = ', and on samples, which are read with --feature=waveform' if takes_either else ''
    raise errors.ConfigError(
      f'--augment={step.name} moves sound along the bins, but those of {taken.name!r} are no '
      f'frequencies in frames. It works on {", ".join(known)}{either}.'
    )


def _bins_hz(taken: record.FeatureSpec, audio: audio_lib.AudioSpec) -> tuple[float, ...]:
  """Returns the frequency of each bin of a feature; () where bins are something else."""
  of_bins = features.FEATURES[taken.name].bins_hz
  return tuple(of_bins(features.settings_of(taken), audio).tolist()) if of_bins else ()


def _has_frequencies(taken: record.FeatureSpec) -> bool:
  kind = features.FEATURES.get(taken.name)
  return kind is not None and kind.bins_hz is not None


def _silence(taken: record.FeatureSpec, audio: audio_lib.AudioSpec) -> tuple[float, ...]:
  """Returns the feature of a frame of zeros."""
  computes = extractor.Extractor([taken], audio)
  nothing = np.zeros((1, audio.clip_samples or computes.min_samples), np.float32)
  return tuple(computes.compute(nothing)[taken.name][0, 0].tolist())


def _as_stored(values: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
  """Returns values between those that were stored in their dtype, rounded to the nearest."""
  return tf.cast(tf.round(values) if dtype.is_integer else values, dtype)


def _check_order(steps: Sequence[_Step]) -> None:
  for before, after in zip(steps, steps[1:], strict=False):
    if _ORDER[after.member.takes] < _ORDER[before.member.takes]:
      raise errors.ConfigError(
        f'--augment={after.name} stands behind {before.name}, but {_WHY[after.member.takes]}. '
        f'Write --augment={after.name} in front.'
      )
    if after.member.takes == before.member.takes == augmentation.BATCH:
      raise errors.ConfigError(
        f'--augment={after.name} is given twice: an example is mixed with one other.'
      )
