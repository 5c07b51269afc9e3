#!/bin/sh
# Prints the Python to make .venv with: $PYTHON, else the first fit one; fails with what is missing.
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
  if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
  then
    if "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
      echo "$candidate"
      exit 0
    fi
    lacking=$candidate
  fi
done
if [ -n "$lacking" ]; then
  echo "error: $lacking has no venv module. Install it (Debian: apt install python3-venv)." >&2
else
  echo "error: expected Python 3.11, 3.12 or 3.13 on the PATH or in PYTHON=..., found none." >&2
fi
exit 2
