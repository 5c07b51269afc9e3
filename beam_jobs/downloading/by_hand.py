"""Corpora behind an account: what to do, step by step."""

import dataclasses

from beam_jobs.downloading import offered


@dataclasses.dataclass(frozen=True, kw_only=True)
class CommonVoice:
  """Which language.

  Attributes:
    language: As Common Voice calls it, such as en or zh-CN.
  """

  language: str = 'en'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Challenge:
  """There is one."""


COMMON_VOICE = offered.Offered(
  what='read sentences in more than a hundred languages, by volunteers',
  settings=CommonVoice,
  featurize=lambda folder, settings: [
    '--source=common_voice:label=age',
    f'--input={folder}/{settings.language}',
    '--clip_seconds=0',
  ],
  by_hand=(
    'Mozilla gives Common Voice to those who agree to its terms. Open '
    'https://commonvoice.mozilla.org/datasets, choose the language and the release, sign in, '
    'agree, and download the archive; then unpack it: '
    '`mkdir -p {folder}; tar -xzf cv-corpus-*.tar.gz -C {folder} --strip-components=1`.'
  ),
)

KAGGLE_SPEECH_COMMANDS = offered.Offered(
  what='the TensorFlow Speech Recognition Challenge: Speech Commands with an unlabelled test',
  settings=Challenge,
  featurize=lambda folder, settings: ['--source=speech_commands', f'--input={folder}'],
  by_hand=(
    'Kaggle gives this corpus to those who have an account and accept the rules of the challenge. '
    'Open https://www.kaggle.com/c/tensorflow-speech-recognition-challenge/rules and accept them, '
    'make a token on the page of your account, and `pip install kaggle`; then '
    '`kaggle competitions download -c tensorflow-speech-recognition-challenge -p {folder}`, unpack '
    'the .zip, and in it `7z x train.7z`.'
  ),
)
