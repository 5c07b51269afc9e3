"""What goes wrong with engines, in sentences."""


class EngineError(Exception):
  """An engine cannot be fetched or started; the message says why and shows its log."""


class MissingToolError(EngineError):
  """This machine lacks a program that an engine needs."""
