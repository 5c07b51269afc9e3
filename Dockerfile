# A worker image for Dataflow and other engines: Beam's own, with this program and the versions that
# requirements/latest.txt pins. Workers start without installing anything, and all of them alike.
# How it is built and named on the command line: docs/running-at-scale.md. The version of Beam is
# the launcher's, and so is that of Python.
FROM apache/beam_python3.11_sdk:2.77.0

WORKDIR /opt/voxshard
COPY setup.py pyproject.toml README.md LICENSE NOTICE ./
COPY requirements/latest.txt requirements/
COPY schemas schemas
COPY tfrecords tfrecords
COPY features features
COPY pages pages
COPY exports exports
COPY beam_jobs beam_jobs
COPY trainer trainer
COPY pipelines pipelines

# What is installed beside the core, such as [media]: FFmpeg's decoders, for M4A, WebM and the like.
# Not by default: their wheel holds GPL software (NOTICE).
ARG EXTRAS=

# Without the hashes the lock is a list of constraints: of all that it names, what the core install
# needs is installed. TensorFlow is not; a worker has no use for it.
RUN sed -e '/--hash=/d' -e 's/ \\$//' requirements/latest.txt > /tmp/constraints.txt \
    && pip install --no-cache-dir --constraint /tmp/constraints.txt ".${EXTRAS}" \
    && python -c 'import beam_jobs.featurize' \
    && ! python -c 'import tensorflow' 2>/dev/null

# Two BLAS pools on one machine's cores fight over them; a process computes with one thread.
ENV OPENBLAS_NUM_THREADS=1
