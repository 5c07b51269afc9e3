"""Installs Voxshard: version ranges, extras and the two commands.

The core install is what a Beam worker needs and no more (no TensorFlow), so that
`--setup_file=./setup.py` starts a remote worker quickly. Exact versions with hashes stand in
requirements/latest.txt, made by `make lock`.
"""

import pathlib

import setuptools

_HERE = pathlib.Path(__file__).parent


def _version() -> str:
  """Returns the version without importing the package."""
  namespace: dict[str, str] = {}
  exec((_HERE / 'schemas' / 'version.py').read_text(encoding='utf-8'), namespace)
  return namespace['VERSION']


CORE = [
  'absl-py>=2.1',
  'apache-beam>=2.72,<3',
  'google-crc32c>=1.6',
  'grpcio>=1.62',
  'matplotlib>=3.8',  # The colours of spectrogram_image.
  'numpy>=1.26',
  'pillow>=10.3',
  'protobuf>=4.25',
  'requests>=2.31',  # Files of web servers, and corpora.
  'rich>=13.7',
  'scipy>=1.13',
  'soundfile>=0.13',
  'soxr>=0.5',
  'threadpoolctl>=3.5',
  'urllib3>=2.1',
]

EXTRAS = {
  'media': ['av>=18,<19'],  # FFmpeg; NOTICE says what its wheels hold.
  'report': ['jinja2>=3.1'],  # The pages of explore.
  'train': [
    'jinja2>=3.1',  # As in report.
    'pyarrow>=16',  # Predictions.
    'scikit-learn>=1.5',  # The baselines.
    'skops>=0.16',  # Their files, from which nothing is unpickled.
    'tensorboard>=2.17',
    'tensorflow>=2.17',
    'tensorflow-datasets>=4.9.7',
  ],
  'serve': [
    'fastapi>=0.115',
    'prometheus-client>=0.20',
    'python-multipart>=0.0.18',
    'uvicorn>=0.30',
  ],
  'predict': ['pyarrow>=16', 'tensorflow>=2.17'],  # What beam_jobs.predict needs on a worker.
  'sweep': ['optuna>=4.0,<6'],
  'listen': ['sounddevice>=0.5'],  # A microphone, by PortAudio.
  'litert': ['ai-edge-litert>=2.0,<3'],  # Runs the LiteRT files of an export.
  # Writes the ONNX file of an export, and runs it.
  'onnx': ['onnx>=1.17,<2', 'onnxruntime>=1.20,<2', 'tf2onnx>=1.17,<2'],
  'app': ['gradio>=6.31,<7'],  # The page of trainer.app.
  'gpu': ['tensorflow[and-cuda]>=2.17'],
  'gcp': [
    'apache-beam[gcp]>=2.72,<3',
    # Beam's stager packs --setup_file with these; environments since Python 3.12 lack setuptools.
    'build>=1.2',
    'setuptools>=70',
  ],
  'aws': ['s3fs>=2025.3'],
  # Linux and Python 3.11; its own lock, requirements/tfio.txt.
  'tfio': ['tensorflow==2.17.1', 'tensorflow-io==0.37.1', 'tensorflow-metadata<1.18'],
  'kubeflow': ['kfp>=2.17,<3'],  # Its own lock, requirements/kubeflow.txt.
  'demo': ['espeakng-loader>=0.2.4'],
  'dev': [
    'gcp-storage-emulator>=2026.7',
    'hypothesis>=6.100',
    'librosa>=0.11',
    'mypy>=1.11',
    'playwright>=1.50',  # Drives the Chromium of the system.
    'pytest>=8.2',
    'pytest-xdist>=3.6',
    'ruff>=0.6',
    'setuptools>=70',
    'uv>=0.5',
  ],
}

setuptools.setup(
  name='voxshard',
  version=_version(),
  description='Raw audio in, speaker-sharded TFRecords, a trained and judged classifier out.',
  long_description=(_HERE / 'README.md').read_text(encoding='utf-8'),
  long_description_content_type='text/markdown',
  license='Apache-2.0',
  python_requires='>=3.11,<3.14',
  packages=setuptools.find_packages(
    include=[
      'schemas*',
      'tfrecords*',
      'features*',
      'pages*',
      'exports*',
      'beam_jobs*',
      'trainer*',
      'pipelines*',
    ]
  ),
  package_data={'pages': ['templates/*', 'templates/report/*']},
  install_requires=CORE,
  extras_require=EXTRAS,
  entry_points={
    'console_scripts': [
      'voxshard-download = beam_jobs.download:run',
      'voxshard-explore = beam_jobs.explore:run',
      'voxshard-featurize = beam_jobs.featurize:run',
      'voxshard-predict = beam_jobs.predict:run',
      'voxshard-train = trainer.__main__:run',
      'voxshard-worker = beam_jobs.process_worker:main',
    ],
  },
)
