#!/usr/bin/env bash
# A model whose signature has one unnamed column is given the first column of a request, whatever it is called.
#
# Versions: mlflow 3.17.2, pandas 3.1.1, numpy 2.4.6; Python 3.11.
# Behaviour: with named inputs MLflow leaves out what a request has too much. With one unnamed input it takes columns by
#   position and drops the rest: a client that sends its row's id before the value gets answers about the ids. Both
#   requests below are the same data for a reader of JSON. No error, and no word of the column that was dropped.
# Output seen:
#   ["x"] -> [[0.5]]
#   ["x", "id"] -> [[0.5]]
#   ["id", "x"] -> [[7.0]]
# Run by hand. Exit code 1 when that has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check mlflow==3.17.2 pandas==3.1.1 numpy==2.4.6
cat > "$folder/seen.py" <<'PYTHON'
import json

from mlflow.models.utils import _enforce_schema
from mlflow.pyfunc.scoring_server import infer_and_parse_data
from mlflow.types import ColSpec, Schema

schema, row = Schema([ColSpec("double")]), {"x": 0.5, "id": 7.0}
for columns in (["x"], ["x", "id"], ["id", "x"]):
    request = {"dataframe_split": {"columns": columns, "data": [[row[name] for name in columns]]}}
    given = _enforce_schema(infer_and_parse_data(request, schema), schema)
    print(json.dumps(columns), "->", given.values.tolist())
PYTHON
diff <(sed -n 's/^#   \(\[.*\)/\1/p' "$0") <("$folder/env/bin/python" "$folder/seen.py" 2>/dev/null)
echo "as described"
