"""A small corpus for each source: what every source promises is tried on it."""

from tests.contracts import tfds_example

_EXAMPLE_COLUMNS = 'client_id\tpath\tsentence\tup_votes\tdown_votes\tage\tgender\taccents\tlocale'
_EXAMPLE_ROWS = (
  'a1\tcommon_voice_en_1.mp3\t"Yes," she said.\t2\t0\ttwenties\tfemale\t\ten',
  'a1\tcommon_voice_en_2.mp3\tNo.\t2\t0\ttwenties\tfemale\t\ten',
  'b2\tcommon_voice_en_3.mp3\tUp.\t2\t0\tsixties\tmale\tScottish English\ten',
  'c3\tcommon_voice_en_5.mp3\tDown.\t2\t0\t\t\t\ten',
  'd4\tcommon_voice_en_4.mp3\tLeft.\t2\t1\tfourties\tother\t\ten',
)

# Paths, which are created as empty files. The source `synthetic` makes its own.
TREES = {
  'common_voice': tuple(f'clips/common_voice_en_{number}.mp3' for number in range(1, 6)),
  'file_names': (
    '0_george_0.wav',
    '0_george_1.wav',
    '0_jackson_0.wav',
    '1_george_0.wav',
    '1_jackson_0.wav',
    'more/1_lucas_0.WAV',
  ),
  'folders': (
    'no/anna/3.flac',
    'no/ben.wav',
    'yes/anna/1.flac',
    'yes/anna/2.flac',
    'yes/ben.wav',
    'yes/ben 2.wav',
  ),
  'images': (
    'circle/1.png',
    'circle/more/2.JPG',
    'square/1.bmp',
    'square/2.gif',
    'square/3.jpeg',
    'square/4.webp',
  ),
  'speech_commands': (
    '_background_noise_/white_noise.wav',
    'no/0a7c2a8d_nohash_0.wav',
    'no/0b40aa8e_nohash_0.wav',
    'yes/0a7c2a8d_nohash_0.wav',
    'yes/0a7c2a8d_nohash_1.wav',
    'yes/0b40aa8e_nohash_0.wav',
    'yes/0c5027de_nohash_0.wav',
  ),
  'unlabelled': ('a.wav', 'b.flac', 'more/a.mp3', 'more/deep/c.OGG'),
  'table': ('no/1.flac', 'no/2.flac', 'yes/1.flac', 'yes/2.flac', 'long.wav'),
  'synthetic': (),
  'tfds': (),
}
# Further files, such as tables, from path to content. A table that --input names comes first.
FILES = {
  'common_voice': {'validated.tsv': '\n'.join([_EXAMPLE_COLUMNS, *_EXAMPLE_ROWS, '']).encode()},
  'table': {
    'clips.csv': b'path,label,speaker,split,start,duration\n'
    b'no/1.flac,no,anna,train,,\n'
    b'no/2.flac,no,ben,,,\n'
    b'yes/1.flac,yes,anna,train,,\n'
    b'yes/2.flac,yes,ben,,,\n'
    b'long.wav,yes,cleo,test,0.5,1\n'
    b'long.wav,no,cleo,test,12,1.25\n'
  },
  'tfds': tfds_example.files(),
}
