"""Where what is found of a split lies: its predictions, and all that is made of them."""

import dataclasses
import os


@dataclasses.dataclass(frozen=True)
class Judgement:
  """Where each thing lies in the folder `path`.

  Attributes:
    path: That of a run for what it is judged by: the test split of its data set, its best epoch.
      Else a folder inside of it.
    predictions_file: What the model said of every clip: Parquet. All the others are made of it.
    unknown_file: The same of clips of labels that the model does not know, where a run left some
      out.
    report_file: The report: JSON.
    page_file: The same as a page.
    suspects_file: Which clips are the most suspect: CSV.
    suspects_page_file: The same as a page to listen to.
    confusion_matrix_file: Which label was taken for which: a picture.
  """

  path: str

  predictions_file = property(lambda self: os.path.join(self.path, 'predictions.parquet'))
  unknown_file = property(lambda self: os.path.join(self.path, 'unknown.parquet'))
  report_file = property(lambda self: os.path.join(self.path, 'report.json'))
  page_file = property(lambda self: os.path.join(self.path, 'report.html'))
  confusion_matrix_file = property(lambda self: os.path.join(self.path, 'confusion_matrix.png'))
  suspects_file = property(lambda self: os.path.join(self.path, 'suspects.csv'))
  suspects_page_file = property(lambda self: os.path.join(self.path, 'suspects.html'))

  @property
  def files(self) -> tuple[str, ...]:
    """All of them; not each is there."""
    return (
      self.predictions_file,
      self.unknown_file,
      self.report_file,
      self.page_file,
      self.suspects_file,
      self.suspects_page_file,
      self.confusion_matrix_file,
    )

  @property
  def for_reading(self) -> str:
    """What people look at, as a line of the terminal: the page first."""
    return ', '.join((self.page_file, self.report_file, self.confusion_matrix_file))
