"""The steps as functions that kfp makes components of.

kfp takes a function's text out of this file and runs it alone: each imports what it needs, and what
it does stands in `cluster_steps`, which the image has.
"""

from kfp import dsl


def featurize(
  data: dsl.Output[dsl.Dataset],
  metrics: dsl.Output[dsl.Metrics],
  source: str = 'synthetic',
  input: str = '',
  feature: str = '',
  flags: str = '',
  folder: str = '',
  version: str = '',
):
  """Makes a data set of audio or pictures: python -m beam_jobs.featurize.

  Args:
    data: The data set.
    metrics: Clips of each split, labels, hours.
    source: Where clips come from, name:key=value,...
    input: Folder of the corpus or its table, as the source wants it; such as gs://BUCKET/FOLDER.
    feature: What is stored, name:key=value,...; empty for the default.
    flags: Further flags, as they are typed on a command line.
    folder: Where the data set is written, such as gs://BUCKET/FOLDER; empty for the artifact.
    version: Any text. Another one lets a cached step run again, of files that have changed.
  """
  from pipelines import cluster_steps

  data.metadata['version'] = version
  cluster_steps.featurize(
    data=data,
    metrics=metrics,
    flags=flags,
    folder=folder,
    source=source,
    input=input,
    feature=feature,
  )


def train(
  data: dsl.Input[dsl.Dataset],
  run: dsl.Output[dsl.Model],
  metrics: dsl.Output[dsl.Metrics],
  model: str = '',
  epochs: int = 0,
  feature: str = '',
  flags: str = '',
):
  """Trains a model without a look at the test split: python -m trainer.

  Args:
    data: A data set.
    run: The run folder.
    metrics: Of the best epoch, on validation.
    model: What is trained, name:key=value,...; empty for the default.
    epochs: At most so many; 0 for the default.
    feature: Which of the data set's features; empty for the only one.
    flags: Further flags, as they are typed on a command line.
  """
  from pipelines import cluster_steps

  cluster_steps.train(
    data=data, run=run, metrics=metrics, flags=flags, model=model, epochs=epochs, feature=feature
  )


def transfer(
  base: dsl.Input[dsl.Model],
  data: dsl.Input[dsl.Dataset],
  run: dsl.Output[dsl.Model],
  comparison: dsl.Output[dsl.HTML],
  metrics: dsl.Output[dsl.Metrics],
  keep: str = 'fine-tuned',
  epochs: int = 0,
  feature: str = '',
  flags: str = '',
):
  """Trains the trunk of a run on other data: python -m trainer --recipe=transfer.

  Args:
    base: The run whose trunk is taken.
    data: The other data, with a feature as that of the run.
    run: The run that is kept.
    comparison: A page: a new head, both fine-tuned, and the same model from scratch.
    metrics: Their accuracies on the test split, and what transfer gains.
    keep: Which run is kept, head or fine-tuned.
    epochs: Of each run at most so many; 0 for the default.
    feature: Which of the data set's features; empty for the only one.
    flags: Further flags, as they are typed on a command line.
  """
  from pipelines import cluster_steps

  cluster_steps.transfer(
    base=base,
    data=data,
    run=run,
    comparison=comparison,
    metrics=metrics,
    keep=keep,
    flags=flags,
    epochs=epochs,
    feature=feature,
  )


def evaluate(
  run: dsl.Input[dsl.Model],
  data: dsl.Input[dsl.Dataset],
  report: dsl.Output[dsl.HTML],
  metrics: dsl.Output[dsl.Metrics],
  confusion: dsl.Output[dsl.ClassificationMetrics],
  split: str = 'test',
  flags: str = '',
):
  """Judges a run on a split: python -m trainer.evaluate.

  Args:
    run: The run.
    data: The data set.
    report: The page.
    metrics: Accuracy with its interval where there is one, loss, macro F1, ROC-AUC, counts.
    confusion: Which label was taken for which, of 100 labels at most.
    split: train, validation or test.
    flags: Further flags, as they are typed on a command line.
  """
  from pipelines import cluster_steps

  cluster_steps.evaluate(
    run=run,
    data=data,
    report=report,
    metrics=metrics,
    confusion=confusion,
    split=split,
    flags=flags,
  )


def export(
  run: dsl.Input[dsl.Model],
  data: dsl.Input[dsl.Dataset],
  model: dsl.Output[dsl.Model],
  formats: str = 'saved_model',
  flags: str = '',
):
  """Makes a model of a run that takes raw audio and needs none of our packages: trainer.export.

  Args:
    run: The run.
    data: The data set; of it what is made of numbers of 8 bits learns their ranges.
    model: The export.
    formats: Which, with commas.
    flags: Further flags, as they are typed on a command line.
  """
  from pipelines import cluster_steps

  cluster_steps.export(run=run, data=data, model=model, formats=formats, flags=flags)


FUNCTIONS = (featurize, train, transfer, evaluate, export)
