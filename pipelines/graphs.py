"""The pipelines: which step takes what of which.

There are no conditions in them: each graph shows what is done, and runs alike on a cluster and by
kfp's local runner.
"""

# No annotations of the future: kfp reads those of the pipelines, and knows no text.
import dataclasses
import types
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from kfp import dsl

from pipelines import components


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machine:
  """What the steps run on.

  Attributes:
    image: The image of every step, with this project in it.
    gpus: GPUs of the steps that train and judge.
    gpu_type: Their name as a resource of the cluster.
    memory: Most memory of every step, such as 8G; '' for what the cluster gives.
    cpus: Most cores of every step, such as 4; '' likewise.
  """

  image: str
  gpus: int = 0
  gpu_type: str = 'nvidia.com/gpu'
  memory: str = ''
  cpus: str = ''

  def sized(self, task: dsl.PipelineTask, *, computes: bool = False) -> dsl.PipelineTask:
    """Asks for a step's resources; returns it.

    Args:
      task: The step.
      computes: Whether GPUs are of use to it.
    """
    if self.memory:
      task.set_memory_limit(self.memory)
    if self.cpus:
      task.set_cpu_limit(self.cpus)
    if computes and self.gpus:
      task.set_accelerator_type(self.gpu_type).set_accelerator_limit(self.gpus)
    return task


class Outcome(NamedTuple):
  """What a pipeline gives.

  Attributes:
    run: The run folder that was judged.
    model: Its export.
    report: The page.
    metrics: The numbers.
    confusion: The matrix.
  """

  run: dsl.Model
  model: dsl.Model
  report: dsl.HTML
  metrics: dsl.Metrics
  confusion: dsl.ClassificationMetrics


def make_components(image: str) -> Mapping[str, Any]:
  """Returns kfp's components by name."""
  return {
    function.__name__: dsl.component(function, base_image=image, install_kfp_package=False)
    for function in components.FUNCTIONS
  }


def make_pipelines(machine: Machine) -> Mapping[str, Any]:
  """Returns kfp's pipelines by the names of their files."""
  made = types.SimpleNamespace(**make_components(machine.image))
  return {
    'pretraining': _pretraining(made, machine),
    'training': _training(made, machine),
    'transfer_learning': _transfer_learning(made, machine),
  }


def _pretraining(made: Any, machine: Machine) -> Any:
  begins, ends = _begins(made, machine), _ends(made, machine)

  @dsl.pipeline(name='voxshard-pretraining')
  def pretraining(
    source: str = 'synthetic',
    input: str = '',
    feature: str = '',
    featurize_flags: str = '',
    data_folder: str = '',
    data_version: str = '',
    model: str = '',
    epochs: int = 0,
    train_flags: str = '',
    own_source: str = 'synthetic',
    own_input: str = '',
    own_featurize_flags: str = '',
    own_data_folder: str = '',
    own_data_version: str = '',
    transfer_epochs: int = 0,
    transfer_flags: str = '',
    keep: str = 'fine-tuned',
    split: str = 'test',
    formats: str = 'saved_model',
  ) -> Outcome:
    """Trains on much data, then on one's own; judges and exports what came of it.

    Args:
      source: Where the clips of the first training come from.
      input: Folder of that corpus.
      feature: What is stored of both corpora.
      featurize_flags: Further flags of the first data job.
      data_folder: Where its data set is written; empty for the artifact.
      data_version: Another text lets the cached step run again.
      model: What is trained.
      epochs: Of the first training.
      train_flags: Further flags of it.
      own_source: Where the clips of one's own come from.
      own_input: Folder of that corpus.
      own_featurize_flags: Further flags of the second data job.
      own_data_folder: Where its data set is written; empty for the artifact.
      own_data_version: Another text lets the cached step run again.
      transfer_epochs: Of each run of the transfer.
      transfer_flags: Further flags of it.
      keep: Which run is kept, head or fine-tuned.
      split: What it is judged on.
      formats: Of the export.
    """
    data = begins(source, input, feature, featurize_flags, data_folder, data_version)
    base = machine.sized(
      made.train(data=data.outputs['data'], model=model, epochs=epochs, flags=train_flags),
      computes=True,
    )
    own = begins(
      own_source, own_input, feature, own_featurize_flags, own_data_folder, own_data_version
    ).set_display_name('featurize own data')
    learned = machine.sized(
      made.transfer(
        base=base.outputs['run'],
        data=own.outputs['data'],
        keep=keep,
        epochs=transfer_epochs,
        flags=transfer_flags,
      ),
      computes=True,
    )
    return ends(learned.outputs['run'], own.outputs['data'], split, formats)

  return pretraining


def _training(made: Any, machine: Machine) -> Any:
  begins, ends = _begins(made, machine), _ends(made, machine)

  @dsl.pipeline(name='voxshard-training')
  def training(
    source: str = 'synthetic',
    input: str = '',
    feature: str = '',
    featurize_flags: str = '',
    data_folder: str = '',
    data_version: str = '',
    model: str = '',
    epochs: int = 0,
    train_flags: str = '',
    split: str = 'test',
    formats: str = 'saved_model',
  ) -> Outcome:
    """Trains, judges and exports a model.

    Args:
      source: Where clips come from.
      input: Folder of the corpus.
      feature: What is stored.
      featurize_flags: Further flags of the data job.
      data_folder: Where the data set is written; empty for the artifact.
      data_version: Another text lets the cached step run again.
      model: What is trained.
      epochs: At most so many.
      train_flags: Further flags of the training.
      split: What is judged on.
      formats: Of the export.
    """
    data = begins(source, input, feature, featurize_flags, data_folder, data_version)
    trained = machine.sized(
      made.train(data=data.outputs['data'], model=model, epochs=epochs, flags=train_flags),
      computes=True,
    )
    return ends(trained.outputs['run'], data.outputs['data'], split, formats)

  return training


def _transfer_learning(made: Any, machine: Machine) -> Any:
  begins, ends = _begins(made, machine), _ends(made, machine)

  @dsl.pipeline(name='voxshard-transfer-learning')
  def transfer_learning(
    base_run: str,
    source: str = 'synthetic',
    input: str = '',
    feature: str = '',
    featurize_flags: str = '',
    data_folder: str = '',
    data_version: str = '',
    epochs: int = 0,
    transfer_flags: str = '',
    keep: str = 'fine-tuned',
    split: str = 'test',
    formats: str = 'saved_model',
  ) -> Outcome:
    """Trains the trunk of a run that is there on one's own data; judges and exports it.

    Args:
      base_run: Folder of the run, such as gs://BUCKET/runs/words.
      source: Where clips come from.
      input: Folder of the corpus.
      feature: What is stored: a feature as that of the run.
      featurize_flags: Further flags of the data job.
      data_folder: Where the data set is written; empty for the artifact.
      data_version: Another text lets the cached step run again.
      epochs: Of each run of the transfer.
      transfer_flags: Further flags of it.
      keep: Which run is kept, head or fine-tuned.
      split: What it is judged on.
      formats: Of the export.
    """
    base = dsl.importer(artifact_uri=base_run, artifact_class=dsl.Model, reimport=False)
    data = begins(source, input, feature, featurize_flags, data_folder, data_version)
    learned = machine.sized(
      made.transfer(
        base=base.output,
        data=data.outputs['data'],
        keep=keep,
        epochs=epochs,
        flags=transfer_flags,
      ),
      computes=True,
    )
    return ends(learned.outputs['run'], data.outputs['data'], split, formats)

  return transfer_learning


def _begins(made: Any, machine: Machine) -> Callable[..., dsl.PipelineTask]:
  """Returns what adds the first step of every pipeline."""

  def begins(
    source: Any, input: Any, feature: Any, flags: Any, folder: Any, version: Any
  ) -> dsl.PipelineTask:
    return machine.sized(
      made.featurize(
        source=source, input=input, feature=feature, flags=flags, folder=folder, version=version
      )
    )

  return begins


def _ends(made: Any, machine: Machine) -> Callable[..., Outcome]:
  """Returns what adds the last two steps of every pipeline."""

  def ends(run: Any, data: Any, split: Any, formats: Any) -> Outcome:
    judged = machine.sized(made.evaluate(run=run, data=data, split=split), computes=True)
    exported = machine.sized(made.export(run=run, data=data, formats=formats))
    return Outcome(
      run=run,
      model=exported.outputs['model'],
      report=judged.outputs['report'],
      metrics=judged.outputs['metrics'],
      confusion=judged.outputs['confusion'],
    )

  return ends
