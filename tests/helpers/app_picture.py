"""Takes a picture of the page of trainer.app, for its documentation.

python -m tests.helpers.app_picture RUN docs/images/app.png
"""

import io
import re
import subprocess
import sys

import PIL.Image

from tests.helpers import browser

_HEIGHT = 720


def main():
  """Starts the app on a run, lets it hear a clip of its test, and writes what there is to see."""
  run, output = sys.argv[1:]
  command = [sys.executable, '-m', 'trainer.app', '--port=0', f'--run_dir={run}']
  with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
    try:
      url = next(filter(None, (re.search(r'http://\S+', line) for line in process.stdout)))[0]
      with browser.running() as chromium:
        page = chromium.opened(url, width=1_100, height=_HEIGHT)
        page.tab.click('role=tab[name="Test clips"]')
        for _ in range(2):
          page.tab.click('button#next')
          page.tab.wait_for_selector('.vs-best')
          page.tab.wait_for_timeout(1_000)
        drawn = page.tab.screenshot()
    finally:
      process.terminate()
  # 256 colours are a third of the bytes, and look the same.
  PIL.Image.open(io.BytesIO(drawn)).convert('RGB').quantize(256).save(output, optimize=True)


if __name__ == '__main__':
  main()
