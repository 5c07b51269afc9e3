"""What a file of predictions is of, and which columns it has. Imports no TensorFlow."""

import dataclasses
from typing import Any

from schemas import errors, json_form, medium

# Bump with every change of a column or its meaning.
PREDICTIONS_VERSION = 2
# With more labels than so many a clip keeps its highest logits only: all of them would grow with
# the labels, and a million clips of 6,000 labels are 24 GB.
MAX_DENSE_LABELS = 200
NUM_TOP = 20

# Columns. Texts that are no UTF-8 (names of files) have their odd bytes written as `\\udcXX`.
ID = 'id'
FILE = 'file'  # As in the records: relative to the corpus, or a whole URI; '' where nobody says.
START_S, END_S = 'start_s', 'end_s'  # In the file; float64.
SPEAKER = 'speaker'
FIELDS = 'fields'  # What else the corpus says, a JSON object of strings.
AUGMENTATION = 'augmentation'  # What was done to a copy; '' for an original.
FOLD = 'fold'  # Which fold judged it, from 0; null where there are none.
LABEL, PREDICTED = 'label', 'predicted'  # As texts, for who opens the file with other tools.
LABEL_INDEX, PREDICTED_INDEX = 'label_index', 'predicted_index'
LOGITS = 'logits'  # float32 [labels], up to MAX_DENSE_LABELS labels. Beyond:
LABEL_LOGIT = 'label_logit'  # float32, that of the true label.
LOG_SUM_EXP = 'log_sum_exp'  # float32, over all labels: what turns logits into probabilities.
TOP_INDICES = 'top_indices'  # int32 [NUM_TOP], the labels of the highest logits, the highest first.
TOP_LOGITS = 'top_logits'  # float32 [NUM_TOP].
# float32 [nodes], over all labels, of logits divided by temperatures: see log_sums.at_nodes.
SCALED_LOG_SUM_EXPS = 'scaled_log_sum_exps'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Header(json_form.Fields):
  """What was judged.

  Attributes:
    labels: Label texts, by index: those that the model knows.
    unknown_labels: What clips may have beside them, by index from len(labels) on. No logit is
      theirs: such clips have no loss, and no answer to them is right.
    split: The split; where folds judged all of them, 'folds'.
    checkpoint: `best` or `last`.
    model: Such as `cnn:filters=64`.
    feature: Name of the model's input.
    data_dir: The data set, absolute.
    dataset: Its name.
    manifest_sha256: Its digest.
    examples: `clips` or `pictures`.
    dataset_warnings: What the manifest warns of.
    predictions_version: See PREDICTIONS_VERSION.
  """

  labels: tuple[str, ...]
  split: str
  checkpoint: str
  model: str
  feature: str
  data_dir: str
  dataset: str
  manifest_sha256: str
  unknown_labels: tuple[str, ...] = ()
  examples: str = 'clips'
  dataset_warnings: tuple[str, ...] = ()
  predictions_version: int = PREDICTIONS_VERSION

  @property
  def is_dense(self) -> bool:
    """Whether every logit is kept."""
    return len(self.labels) <= MAX_DENSE_LABELS

  @property
  def num_top(self) -> int:
    """How many of the highest logits are kept where not all are."""
    return min(NUM_TOP, len(self.labels))

  def counted(self, number: int, *verbs: str) -> str:
    """Returns such as `1 clip`, or `2 pictures have` with the forms of a verb: errors.counted."""
    return errors.counted(number, medium.example(self.examples), *verbs)

  def context(self) -> dict[str, Any]:
    """Returns all but labels, as plain values: what a report says of its origin."""
    fields = self.to_json()
    return {name: fields[name] for name in fields if name not in ('labels', 'unknown_labels')}
