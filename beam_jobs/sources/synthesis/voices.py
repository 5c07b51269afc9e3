"""The 24 voices of the demo corpus, in every language."""

import dataclasses

from beam_jobs.sources.synthesis import languages


@dataclasses.dataclass(frozen=True)
class Voice:
  """One speaker: an accent of a language, spoken by a throat of its own.

  Attributes:
    accent: eSpeak's name of the dialect.
    variant: eSpeak's name of the throat: pitch, formants, roughness.
  """

  accent: str
  variant: str

  @property
  def name(self) -> str:
    """What eSpeak calls it."""
    return f'{self.accent}+{self.variant}'

  @property
  def speaker_id(self) -> str:
    """What the corpus calls the speaker."""
    return f'{self.accent}-{self.variant}'.lower()


# A higher and a lower voice in turn, so that any number of them has both. The variants were chosen
# by their settings and spectra: no two with the same formants, none that whispers or echoes like
# a robot, and none of eSpeak's Klatt voices, whose noise comes from the C library's rand().
VOICES = (
  Voice('en-us', 'f2'),
  Voice('en', 'm3'),
  Voice('en-029', 'Andrea'),
  Voice('en-gb-scotland', 'Alex'),
  Voice('en-us-nyc', 'f3'),
  Voice('en-gb-x-rp', 'm7'),
  Voice('en-gb-x-gbcwmd', 'Annie'),
  Voice('en-gb-x-gbclan', 'Gene'),
  Voice('en', 'f5'),
  Voice('en-029', 'm4'),
  Voice('en-gb-scotland', 'anika'),
  Voice('en-us-nyc', 'antonio'),
  Voice('en-gb-x-rp', 'f1'),
  Voice('en-gb-x-gbcwmd', 'm8'),
  Voice('en-gb-x-gbclan', 'steph'),
  Voice('en-us', 'ed'),
  Voice('en-029', 'f4'),
  Voice('en-gb-scotland', 'm6'),
  Voice('en-us-nyc', 'linda'),
  Voice('en-gb-x-rp', 'Denis'),
  Voice('en-gb-x-gbcwmd', 'grandma'),
  Voice('en-gb-x-gbclan', 'max'),
  Voice('en-us', 'aunty'),
  Voice('en', 'm1'),
)


def speakers(language: str, number: int) -> tuple[Voice, ...]:
  """Returns the first voices of a language: throats as for English, its accents in turn."""
  if language == 'en':
    return VOICES[:number]
  accents = languages.of(language).accents or (language,)
  return tuple(
    Voice(accents[i % len(accents)], voice.variant) for i, voice in enumerate(VOICES[:number])
  )
