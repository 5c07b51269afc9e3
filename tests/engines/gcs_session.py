"""What a process needs to reach the emulator instead of Cloud Storage, and nobody else."""

import json
import pathlib


def write_environment(folder: pathlib.Path, emulator_url: str) -> dict[str, str]:
  """Returns environment variables: the emulator's address, and a sign-in that asks no one.

  Without a sign-in Google's library looks for one for half a minute. The token in this one never
  expires, so that nothing has to be asked for another.
  """
  path = folder / 'sign_in.json'
  path.write_text(
    json.dumps(
      {
        'type': 'external_account_authorized_user',
        'audience': 'emulated',
        'client_id': 'emulated',
        'client_secret': 'emulated',
        'refresh_token': 'emulated',
        'token_url': 'http://127.0.0.1:1/token',
        'token': 'emulated',
        'expiry': '2999-01-01T00:00:00Z',
      }
    )
  )
  return {
    'STORAGE_EMULATOR_HOST': emulator_url,
    'GOOGLE_APPLICATION_CREDENTIALS': str(path),
    'GOOGLE_CLOUD_PROJECT': 'emulated',
  }
