"""Why one clip cannot be used, in the words of rejects.jsonl."""

from schemas import errors, rejects


class ClipError(errors.FeatureError):
  """A clip that has to be left out.

  Attributes:
    reason: A key of schemas.rejects.ADVICE.
    detail: What was wanted and what was got, in one sentence, without the path.
  """

  def __init__(self, reason: str, detail: str) -> None:
    if reason not in rejects.ADVICE:
      raise errors.SchemaError(f'No reject reason is called {reason!r}.')
    # Both go to the base class, so that the error survives pickling between processes.
    super().__init__(reason, detail)
    self.reason = reason
    self.detail = detail

  def __str__(self) -> str:
    return f'{self.detail} {rejects.ADVICE[self.reason]}'
