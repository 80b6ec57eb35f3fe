#!/usr/bin/env bash
# MLflow clients that are the first in a folder, at the same time, break each other's database, sometimes for good.
#
# Versions: mlflow 3.17.2, alembic 1.20.1, SQLite; Python 3.11. No tracking server and no MLFLOW_TRACKING_URI, as in the
#   examples of the documentation.
# Behaviour: the first client makes ./mlflow.db and migrates it from the first schema to the newest, step by step, under
#   no lock: SQLite commits each step. Whoever begins meanwhile migrates the same file. Of three that begin together most
#   raise OperationalError ("table latest_metrics already exists", "duplicate column name: step") or CommandError
#   ("expected to match one row"), from create_experiment or whatever they call first. In some rounds the database
#   was left half way, with a table of alembic's own, and every client after that failed too, until the file was
#   deleted. Nobody says that another one is at work. An array of jobs that share a folder meets it on its first day and
#   never again.
# Output seen, of which the numbers differ:
#   round 1: 2 of 3 failed, in the migration of one database
#   round 2: 2 of 3 failed, in the migration of one database
#   round 3: 3 of 3 failed, in the migration of one database
# Run by hand. Exit code 1 when that has changed: three rounds without a failure.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check mlflow==3.17.2 alembic==1.20.1
cat > "$folder/client.py" <<'PYTHON'
import os
import sys
import time

from alembic.util import CommandError
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import OperationalError

open(f"ready-{sys.argv[1]}", "w").close()
while not os.path.exists("go"):
    time.sleep(0.001)
try:
    MlflowClient().create_experiment(f"of-{sys.argv[1]}")
except (CommandError, MlflowException, OperationalError) as error:
    line = str(error)
    assert any(part in line for part in ("already exists", "duplicate column", "expected to match one row", "no such")), line
    sys.exit(3)
PYTHON
unset MLFLOW_TRACKING_URI MLFLOW_REGISTRY_URI
seen=0
for round in 1 2 3; do
  mkdir "$folder/$round"
  cd "$folder/$round"
  clients=()
  for each in 1 2 3; do
    "$folder/env/bin/python" "$folder/client.py" "$each" 2>> said & clients+=($!)
  done
  until [ -e ready-1 ] && [ -e ready-2 ] && [ -e ready-3 ]; do sleep 0.1; done
  touch go
  failed=0
  for client in "${clients[@]}"; do
    code=0
    wait "$client" || code=$?
    case $code in 0) ;; 3) failed=$((failed + 1)) ;; *) cat said; exit 1 ;; esac
  done
  echo "round $round: $failed of 3 failed, in the migration of one database"
  seen=$((seen + failed))
done
[ "$seen" -gt 0 ]
echo "as described"
