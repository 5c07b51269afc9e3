"""Libraries that are imported at their first use: that takes seconds, and --help does not wait."""

import importlib
import types
from typing import Any


class _Lazy(types.ModuleType):
  def __getattr__(self, name: str) -> Any:
    return getattr(importlib.import_module(self.__name__), name)


keras = _Lazy('keras')
tf = _Lazy('tensorflow')
tfio = _Lazy('tensorflow_io')
