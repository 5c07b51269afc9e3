"""The names that official splits go by."""

from schemas import splits

SPLIT_OF = {
  'train': splits.TRAIN,
  'training': splits.TRAIN,
  'validation': splits.VALIDATION,
  'valid': splits.VALIDATION,
  'val': splits.VALIDATION,
  'dev': splits.VALIDATION,
  'test': splits.TEST,
  'testing': splits.TEST,
}
