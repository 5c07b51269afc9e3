# make demo   the main job on an embedded corpus: audio, features, training, report
# make test   the whole test suite
# Both set up .venv with the locked stack first; the second time they reuse it.

VENV := .venv
PY := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed-latest
TFIO_VENV := .venv-tfio
TFIO_INSTALLED := $(TFIO_VENV)/.installed-tfio
KUBEFLOW_VENV := .venv-kubeflow
KUBEFLOW_INSTALLED := $(KUBEFLOW_VENV)/.installed-kubeflow
PYTHON311 ?= python3.11
TFIO_TESTS ?= $(addprefix tests/,tfio tfrecords features/test_keras_twins.py features/test_kernels.py \
  $(addprefix contracts/test_all_,models.py models_of_any_length.py baselines.py features.py \
  augmentations.py train_augmentations.py) trainer/data trainer/learning trainer/test_run.py \
  trainer/test_program.py beam_jobs/test_featurize.py test_two_commands.py)
JOBS ?= 2
# Files are dealt to JOBS processes whole, for what their tests share.
PYTEST := -m pytest --durations=10 --numprocesses=$(JOBS) --dist=loadfile
# Containers set it. But each of the processes that tests start would compile TensorFlow, for 5 s.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-browser test-faults test-engines test-tfio test-kubeflow test-gpu kubeflow lint types benchmark reference lock install clean

demo: install
	$(PY) -m beam_jobs.featurize
	$(PY) -m trainer --data=demo/data --run_dir=demo/run --overwrite --epochs=12 \
	  --learning_rate=0.003 --schedule=cosine:warmup_epochs=1 --patience=0
	@printf '\nNext, try:\n'
	@printf '  %s\n' 'open demo/run/report.html in a browser' \
	  '$(PY) -m trainer.app --run_dir=demo/run' \
	  '$(PY) -m trainer.predict --run_dir=demo/run demo/corpus/*/en-m1_nohash_0.wav' \
	  '$(PY) -m trainer.export --run_dir=demo/run --output=demo/export --format=saved_model,litert' \
	  '$(PY) -m trainer --data=demo/data --run_dir=demo/folds --folds=speaker:4 --epochs=6' \
	  '$(PY) -m tensorboard.main --logdir=demo/run/logs'

test: install
	$(PY) $(PYTEST)

# Pages in a real browser: Chromium, of the PATH or VOXSHARD_CHROMIUM. Skipped where there is none.
test-browser: install
	$(PY) $(PYTEST) -m browser

# Kills processes, fills disks, damages files. These tests, and those of engines, share little, and
# one file takes most of the time: they are dealt one by one.
test-faults: install
	$(PY) $(PYTEST) --dist=worksteal -m faults

# Flink, Dataflow and Cloud Storage on this machine, with Java and Maven for Flink; LiteRT and ONNX.
test-engines: install
	$(PY) $(PYTEST) --dist=worksteal -m engines

# What the stack with tensorflow-io changes: its decoders, and what lives by TensorFlow, Keras, Beam
# or NumPy's arithmetic. Python of our own alone, such as schemas, sources and plans, is left out, and
# so are models whose kinds of layers others have (tests/helpers/toy_models.py, one_stack). In
# the last year of a Python, the Google clients that TensorFlow 2.17 can live with announce that at
# every start.
test-tfio: export PYTHONWARNINGS := ignore::FutureWarning:google.api_core._python_version_support
test-tfio: $(TFIO_INSTALLED)
	$(TFIO_VENV)/bin/python $(PYTEST) -m 'not browser and not faults and not engines and not gpu and not kubeflow and not one_stack' $(TFIO_TESTS)

# Runs the pipelines of Kubeflow on this machine, without a cluster and without containers.
test-kubeflow: $(KUBEFLOW_INSTALLED)
	$(KUBEFLOW_VENV)/bin/python -m pytest --durations=10 -m kubeflow tests/pipelines

# The pipelines of Kubeflow as YAML: make kubeflow FLAGS='--image=REGISTRY/voxshard-python:1'
kubeflow: $(KUBEFLOW_INSTALLED)
	$(KUBEFLOW_VENV)/bin/python -m pipelines.kubeflow $(FLAGS)

# On a machine with GPUs; skipped elsewhere. VOXSHARD_GPU_REHEARSAL=2 lets CPUs stand in for two. Each
# run or group of runs is a process, which takes 15 s to begin: several at a time, but for those that
# are timed. Each is named as it ends: a lent machine may be taken away before all have.
test-gpu: install
	$(PY) $(PYTEST) --verbose --dist=loadgroup -m gpu tests/gpu --ignore=tests/gpu/test_feed.py
	$(PY) -m pytest -m gpu tests/gpu/test_feed.py

lint: install
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: install
	$(PY) -m mypy

benchmark: install
	$(PY) -m benchmarks.featurize

install: $(INSTALLED)

# Written only when every step has succeeded, so that an interrupted install starts afresh.
$(INSTALLED): requirements/latest.txt setup.py
	@sh requirements/find_python.sh >/dev/null
	rm -rf $(VENV)
	$$(sh requirements/find_python.sh) -m venv $(VENV)
	$(call install-lock,$(PY),requirements/latest.txt)
	touch $@

$(TFIO_INSTALLED): requirements/tfio.txt setup.py
	@$(PYTHON311) -c 'import venv, ensurepip' || \
	  { echo 'error: the stack with tensorflow-io needs Python 3.11 with its venv module: PYTHON311=PROGRAM.' >&2; exit 2; }
	rm -rf $(TFIO_VENV)
	$(PYTHON311) -m venv $(TFIO_VENV)
	$(call install-lock,$(TFIO_VENV)/bin/python,requirements/tfio.txt)
	touch $@

# kfp holds requests and urllib3 to one release each: a third environment, with the first stack.
$(KUBEFLOW_INSTALLED): requirements/kubeflow.txt setup.py
	@sh requirements/find_python.sh >/dev/null
	rm -rf $(KUBEFLOW_VENV)
	$$(sh requirements/find_python.sh) -m venv $(KUBEFLOW_VENV)
	$(call install-lock,$(KUBEFLOW_VENV)/bin/python,requirements/kubeflow.txt)
	touch $@

# $(call install-lock,PYTHON,LOCK): pip installs the lock's uv, and uv the rest, in a fifth of pip's
# time. --no-deps: the lock names everything; old pips look for more, and find what has no hash.
# --system-certs: pip's too. --python: an activated environment is another one.
define install-lock
	sed -n '/^uv==/,/[^\\]$$/p' $(2) | \
	  $(1) -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r /dev/stdin
	$(1) -m uv pip install --quiet --system-certs --python $(1) --require-hashes --no-deps -r $(2)
	$(1) -m uv pip install --quiet --python $(1) --no-deps --no-build-isolation --editable .
endef

# docs/reference.md, of the tables in the code.
reference: install
	$(PY) -m tests.helpers.reference_page

# Ranges are setup.py's, pins latest.in's; one lock for all Pythons of setup.py. The second stack is
# for Python 3.11 alone: Beam 2.72 and TensorFlow 2.17 share no protobuf on 3.13.
lock: install
	$(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --custom-compile-command 'make lock' --upgrade setup.py requirements/latest.in \
	  --extra train --extra serve --extra app --extra sweep --extra media --extra gcp --extra aws --extra demo \
	  --extra litert --extra listen --extra onnx --extra dev --output-file requirements/latest.txt
	$(PY) -m uv pip compile --quiet --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
	  --generate-hashes --no-emit-index-url --custom-compile-command 'make lock' --upgrade \
	  setup.py requirements/tfio.in --extra train --extra serve --extra sweep --extra media --extra gcp --extra aws --extra demo --extra dev \
	  --output-file requirements/tfio.txt
	$(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --custom-compile-command 'make lock' --upgrade setup.py requirements/kubeflow.in \
	  --extra train --extra gcp --extra demo --extra litert --extra onnx \
	  --extra kubeflow --output-file requirements/kubeflow.txt
	$(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --custom-compile-command 'make lock' --upgrade tests/engines/moto/requirements.in \
	  --constraint requirements/latest.txt --output-file tests/engines/moto/requirements.txt

clean:
	rm -rf $(VENV) $(TFIO_VENV) $(KUBEFLOW_VENV) build dist *.egg-info demo
