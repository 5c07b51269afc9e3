"""A folder as a training with folds leaves it, whose predictions are a small classifier's.

The default suite has no time for networks; scikit-learn learns the same clips in a second.
"""

import json
import pathlib
import shutil

import numpy as np
from sklearn import linear_model, pipeline, preprocessing

from tests.helpers import prediction_files
from tfrecords import manifest_file
from trainer.baselines import pooling
from trainer.predictions import clip_answers, parquet_writer
from trainer.suspects import stored_clips


def write(run_dir, data_dir, fold_of, *, parts=3):
  """Judges every clip of a data set by a classifier of the other folds; returns the accuracy.

  Args:
    run_dir: The folder; it is made.
    data_dir: The data set.
    fold_of: From a record to the number of its fold, from 0.
    parts: Into how many parts clips are cut over time.
  """
  run_dir, data_dir = pathlib.Path(run_dir), pathlib.Path(data_dir)
  dataset = manifest_file.load(str(data_dir))
  feature = dataset.features[0]
  clips = list(stored_clips.records(str(data_dir), dataset, dataset.split_names()))
  pooled = pooling.Pooling(parts=parts)
  vectors = np.stack([pooled.pooled(clip.arrays[feature.name], feature) for clip in clips])
  labels = np.array([clip.label for clip in clips])
  folds = np.array([fold_of(clip) for clip in clips])
  logits = np.full((len(clips), dataset.num_labels), -9, np.float32)
  for fold in np.unique(folds):
    learner = pipeline.make_pipeline(
      preprocessing.StandardScaler(), linear_model.LogisticRegression(C=0.01, max_iter=300)
    )
    learner.fit(vectors[folds != fold], labels[folds != fold])
    found = np.log(np.maximum(1e-6, learner.predict_proba(vectors[folds == fold])))
    logits[np.ix_(folds == fold, learner.classes_)] = found
  run_dir.mkdir(parents=True)
  shutil.copy(data_dir / 'manifest.json', run_dir / 'manifest.json')
  (run_dir / 'config.json').write_text(json.dumps({'data_dir': str(data_dir)}))
  header = prediction_files.header_of(
    dataset.labels,
    split='folds',
    data_dir=str(data_dir),
    dataset=dataset.name,
    manifest_sha256=manifest_file.digest(str(data_dir)),
  )
  with parquet_writer.writing(str(run_dir / 'predictions.parquet'), header) as writer:
    for fold in np.unique(folds):
      mine = np.flatnonzero(folds == fold)
      origins = clip_answers.Origins(
        ids=[clips[i].utterance_id for i in mine],
        speakers=[clips[i].speaker_id for i in mine],
        files=[clips[i].file for i in mine],
        start_us=[clips[i].start_us for i in mine],
        end_us=[clips[i].end_us for i in mine],
        fields=[json.dumps(dict(clips[i].fields)) for i in mine],
        augmentations=[''] * len(mine),
      )
      writer.add(clip_answers.Answers(origins, labels[mine], logits[mine]), fold=int(fold))
  return float(np.mean(logits.argmax(axis=1) == labels))
