#!/usr/bin/env bash
# A mistake in the arguments of a stage transition is a 500 of MLflow's server, which its client repeats and then forgets.
#
# Versions: mlflow 3.17.2, server and client, with its SQL store (SQLite); Python 3.11.
# Behaviour: transition_model_version_stage(stage="Archived", archive_existing_versions=True) is wrong for good, and the
#   server says so ("'Archived' is not an Active stage"), but as INTERNAL_ERROR with status 500, because the store raises
#   without a code. The client takes each 500 for a passing fault: by default it asks eight times, for four minutes, and
#   then raises its own words, in which the server's are missing. Here it may repeat twice.
# Output seen:
#   the server: 500, says why True
#   the client: asked 3 times, INTERNAL_ERROR, says why False
# Run by hand. Exit code 1 when that has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check mlflow==3.17.2
port=$("$folder/env/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
(cd "$folder" && MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false exec "$folder/env/bin/mlflow" server --host 127.0.0.1 \
  --port "$port" --workers 1 --backend-store-uri "sqlite:///$folder/mlflow.db") > "$folder/log" 2>&1 &
server=$!
cat > "$folder/seen.py" <<'PYTHON'
import os
import sys
import time

os.environ |= {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0"}
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

url, log = sys.argv[1], sys.argv[2]
for _ in range(240):
    try:
        if requests.get(f"{url}/health", timeout=5).ok:
            break
    except requests.ConnectionError:
        time.sleep(0.5)
client = MlflowClient(url, url)
client.create_registered_model("ranker")
client.create_model_version("ranker", "s3://models/ranker")
wrong = {"name": "ranker", "version": "1", "stage": "Archived", "archive_existing_versions": True}
path = "/api/2.0/mlflow/model-versions/transition-stage"
told = requests.post(url + path, json=wrong, timeout=60)
print(f"the server: {told.status_code}, says why {'not an Active stage' in told.text}")
before = open(log).read().count(path)
try:
    client.transition_model_version_stage(**wrong)
except MlflowException as error:
    asked = open(log).read().count(path) - before
    print(f"the client: asked {asked} times, {error.error_code}, says why {'not an Active stage' in error.message}")
PYTHON
diff <(sed -n 's/^#   \(the .*: .*\)/\1/p' "$0") \
  <("$folder/env/bin/python" -W ignore "$folder/seen.py" "http://127.0.0.1:$port" "$folder/log" 2>/dev/null)
echo "as described"
