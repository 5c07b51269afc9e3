"""The flags of python -m trainer.predict."""

from __future__ import annotations

import dataclasses

from exports import answer_rows, submissions
from exports import windows as windows_lib
from schemas import errors, limits, splits
from tfrecords import command_line
from trainer.confidence import caution_flags
from trainer.judging import prediction
from trainer.predicting import answer_output
from trainer.runs import model_flags, run_folder, saved_run

FOLDER = 'folder'
# Where the answer alone is said, and no probability.
_OF_ONE_LABEL = ('format=submission', 'format=kaggle', 'format=audacity')


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictConfig(caution_flags.CautionFlags, windows_lib.WindowFlags, model_flags.ModelFlags):
  """One field per flag, and the files."""

  files: tuple[str, ...] = ()
  checkpoint: str = command_line.flag(
    run_folder.BEST, 'Which model of the run.', choices=saved_run.CHECKPOINTS
  )
  data: str = command_line.flag('', 'A data set to predict in place of files.', is_path=True)
  split: str = command_line.flag(
    '', 'Which split of --data; empty: all.', choices=('', *splits.SPLITS), needs=('data',)
  )
  labels_from: str = command_line.flag(
    '',
    'Where the true labels of files stand; then the answers have them, and it is said how many are '
    'right. folder: each file lies in one that is called as its label. Those of --data are known.',
    choices=('', FOLDER),
    idle_with=('data',),
  )
  format: str = command_line.flag(
    answer_rows.TEXT,
    'How results are written. submission: CSV with the name of each clip and its most probable '
    'label, in the order of the files; those of --data by their ids. kaggle: the same for the '
    'TensorFlow Speech Recognition Challenge, by its 12 labels. audacity: a label track.',
    choices=answer_output.FORMATS,
  )
  output: str = command_line.flag(
    '',
    'File for the answers, which is replaced; empty: stdout. With --format=audacity and several '
    'recordings a folder, in which each has a track.',
    is_path=True,
  )
  submission_names: str = command_line.flag(
    submissions.NAME,
    'What a submission calls a clip. name: its file, without folders; path: with them, as it was '
    'named, or the id in --data.',
    choices=submissions.NAMES,
    needs=('format=submission',),
  )
  top: int = command_line.flag(
    3,
    'How many labels are said of each.',
    limits=limits.COUNT,
    idle_with=('probabilities=all', *_OF_ONE_LABEL),
  )
  probabilities: str = command_line.flag(
    answer_rows.TOP,
    'Of which labels the probabilities are said. top: of those of --top; all: of each.',
    choices=answer_rows.PROBABILITIES,
    idle_with=_OF_ONE_LABEL,
  )
  columns: str = command_line.flag(
    'fname,label', 'Header of --format=submission.', needs=('format=submission',)
  )
  batch_size: int = command_line.flag(
    prediction.BATCH_SIZE, 'Clips at a time.', limits=limits.COUNT
  )

  def __post_init__(self) -> None:
    command_line.check(self)
    if not self.files and not self.data:
      raise errors.ConfigError(
        'Expected files, got none. Write: python -m trainer.predict --run_dir=FOLDER FILE..., or '
        'name a data set with --data=FOLDER.'
      )
    if self.files and self.data:
      raise errors.ConfigError(
        f'Expected files or --data, got both: {self.files[0]!r} and --data={self.data}.'
      )
    self.check_model()
    self.check_caution(
      other_checkpoint=self.checkpoint if self.checkpoint != run_folder.BEST else ''
    )
    self.check_windows()
    self._check_format()

  def _check_format(self) -> None:
    """Raises ConfigError for a form of answers that does not go with what is asked."""
    if len(set(self.header)) != 2 or len(self.header) != 2 or not all(self.header):
      raise errors.ConfigError(
        f'--columns: expected two different names such as fname,label, got {self.columns!r}.'
      )
    if self.window_s and (self.data or self.format in answer_output.OF_WHOLE_FILES):
      other = '--data' if self.data else f'--format={self.format}'
      raise errors.ConfigError(
        f'--window_s={self.window_s:g} hears a recording in many windows, and {other} has one '
        'answer for each clip. Leave one of them away.'
      )
    if self.format == answer_rows.AUDACITY and not self.window_s:
      raise errors.ConfigError(
        '--format=audacity marks where in a recording something is heard: write --window_s too, '
        'such as --window_s=1 --hop_s=0.5.'
      )
    answer_output.check(self.output, self.format)
    answer_output.check_outside(self.output, filter(None, (self.path, self.data)))

  @property
  def header(self) -> tuple[str, ...]:
    """The names in `columns`."""
    return tuple(self.columns.split(','))
