#!/usr/bin/env bash
# MLflow's schema enforcement cuts every text of an array to one letter where one element is null, without a word.
#
# Versions: mlflow 3.17.2, pandas 3.1.1, numpy 2.4.6; Python 3.11.
# Behaviour: for a column array<string>, the value [null, "bcdef"] of a request passes and reaches the model as ["n", "b"]:
#   null has become a text, and both were cut to its first letter, since the element type is taken from the first element.
#   Without the null nothing is changed. No error, no warning: the model answers, from other input than was sent.
# Output seen:
#   [null, "bcdef"] -> ["n", "b"]
#   ["a", "bcdef"] -> ["a", "bcdef"]
# Run by hand. Exit code 1 when that has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check mlflow==3.17.2 pandas==3.1.1 numpy==2.4.6
cat > "$folder/seen.py" <<'PYTHON'
import json
import warnings

warnings.simplefilter("ignore")

import pandas as pd
from mlflow.models.utils import _enforce_schema
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import Array

schema = Schema([ColSpec(Array(DataType.string), "words")])
for words in ([None, "bcdef"], ["a", "bcdef"]):
    taken = _enforce_schema(pd.DataFrame({"words": [words]}), schema)["words"][0]
    print(json.dumps(words), "->", json.dumps([str(word) for word in taken]))
PYTHON
diff <(sed -n 's/^#   \(\[.*\)/\1/p' "$0") <("$folder/env/bin/python" "$folder/seen.py" 2>/dev/null)
echo "as described"
