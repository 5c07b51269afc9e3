"""Pictures, one folder per label: photographs, or pictures of spectrograms.

Layout: `<label>/.../<picture>.png`, with as many folders between as there are; JPEG, BMP, GIF and
WebP too. What must stay in one split (the person shown, the recording that pictures were cut from)
is the speaker, and is found as in the source `folders`.
"""

import functools

from beam_jobs.sources import folders, source
from schemas import medium as media

SOURCE = source.Source(
  settings=folders.Folders,
  list_utterances=functools.partial(folders.list_utterances, medium=media.PICTURES),
  example_tree=(
    'circle/1.png',
    'circle/more/2.JPG',
    'square/1.bmp',
    'square/2.gif',
    'square/3.jpeg',
    'square/4.webp',
  ),
  medium=media.PICTURES,
)
