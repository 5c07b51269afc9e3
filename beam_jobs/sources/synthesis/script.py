"""What the demo corpus says: each clip's text, voice, speed, pitch and loudness, and the splits."""

import dataclasses
from collections.abc import Sequence

from beam_jobs.sources.synthesis import voices
from schemas import splits, stable_hash

# Below these words run into one another, above them the shorter ones vanish.
_WORDS_PER_MINUTE = (110, 190)
_PITCH = (30, 70)  # Of eSpeak's 0 to 99; 50 is the voice as it was made.
_PEAK_DB = (-12.0, -1.0)
_LEAD_IN_MS = (0, 50)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipPlan:
  """One clip to be spoken.

  Attributes:
    path: File below the corpus's folder, `<word>/<speaker>_nohash_<take>.wav`.
    text: What is said.
    speaker_id: Who says it, as the corpus names speakers.
    voice: The same, as eSpeak names voices.
    words_per_minute: Speed.
    pitch: From 0 to 99.
    peak_db: Loudest sample, in dB below full scale.
    lead_in_ms: Silence before the word.
    noise_snr_db: How far noise is below the word; None for no noise.
  """

  path: str
  text: str
  speaker_id: str
  voice: str
  words_per_minute: int
  pitch: int
  peak_db: float
  lead_in_ms: int
  noise_snr_db: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class CorpusPlan:
  """What a whole corpus is made of.

  Attributes:
    language: eSpeak's name of it.
    words: What is said to be told apart.
    unknown_words: What else is said.
    speakers: Who says it.
    takes: How often each says each of the words.
    unknown_takes: How often each says each of the unknown words.
    noise_snr_db: Range from which each clip takes its own; None for clips without noise.
    seed: Of pitches, loudness and noise.
  """

  language: str = 'en'
  words: tuple[str, ...]
  unknown_words: tuple[str, ...] = ()
  speakers: tuple[voices.Voice, ...]
  takes: int
  unknown_takes: int = 0
  noise_snr_db: tuple[float, float] | None = None
  seed: int = 0

  def clips(self) -> list[ClipPlan]:
    """Returns every word by every speaker in every take, in the order in which they are spoken.

    Speeds are spread evenly over the takes, so that a speaker's takes of a word differ; pitch,
    loudness and the silence in front come from a hash of path and seed.
    """
    return [
      self._clip(word, speaker, take, takes)
      for speaker in self.speakers
      for words, takes in ((self.words, self.takes), (self.unknown_words, self.unknown_takes))
      for word in words
      for take in range(takes)
    ]

  def _clip(self, word: str, speaker: voices.Voice, take: int, takes: int) -> ClipPlan:
    path = f'{word}/{speaker.speaker_id}_nohash_{take}.wav'

    def between(bounds: tuple[float, float], what: str) -> float:
      low, high = bounds
      return low + (high - low) * stable_hash.unit_interval(f'{self.seed}/{path}', salt=what)

    slowest, fastest = _WORDS_PER_MINUTE
    step = (fastest - slowest) / takes
    start = slowest + step * take
    return ClipPlan(
      path=path,
      text=word,
      speaker_id=speaker.speaker_id,
      voice=speaker.name,
      words_per_minute=round(between((start, start + step), 'speed')),
      pitch=round(between(_PITCH, 'pitch')),
      peak_db=round(between(_PEAK_DB, 'peak'), 2),
      lead_in_ms=round(between(_LEAD_IN_MS, 'lead-in')),
      noise_snr_db=round(between(self.noise_snr_db, 'snr'), 2) if self.noise_snr_db else None,
    )


def split_of_speakers(speakers: Sequence[voices.Voice]) -> dict[str, str]:
  """Returns each speaker's split: the last sixth is test, the sixth before it validation.

  Fewer than three speakers cannot fill three splits: then there is no split at all ({}).
  """
  if len(speakers) < len(splits.SPLITS):
    return {}
  held_out = max(1, len(speakers) // 6)
  names = [speaker.speaker_id for speaker in speakers]
  return {
    **dict.fromkeys(names, splits.TRAIN),
    **dict.fromkeys(names[-2 * held_out :], splits.VALIDATION),
    **dict.fromkeys(names[-held_out:], splits.TEST),
  }
