#!/usr/bin/env bash
# One version of a model that is tagged like a prompt takes all versions of that model out of MLflow's search.
#
# Versions: mlflow 3.17.2 with its SQL store (SQLite); Python 3.11.
# Behaviour: the tag mlflow.prompt.is_prompt=true on one version hides every version of the name from
#   search_model_versions, also where the name is asked for, since prompts are left out by name and not by version. The
#   model stays in search_registered_models, and get_model_version still gives each version. No error, no warning: whoever
#   lists versions sees a model without any. The tag is an ordinary one, which set_model_version_tag takes.
# Output seen:
#   before: all [1, 2, 3], by name [1, 2, 3], models ['ranker'], got 1
#   after: all [], by name [], models ['ranker'], got 1
# Run by hand. Exit code 1 when that has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check mlflow==3.17.2
cat > "$folder/seen.py" <<'PYTHON'
import sys

from mlflow import MlflowClient

folder = sys.argv[1]
store = f"sqlite:///{folder}/mlflow.db"
client = MlflowClient(store, store)


def tell(when):
    found = [
        sorted(int(one.version) for one in client.search_model_versions(asked)) for asked in (None, "name = 'ranker'")
    ]
    models = [one.name for one in client.search_registered_models()]
    got = client.get_model_version("ranker", "1").version
    print(f"{when}: all {found[0]}, by name {found[1]}, models {models}, got {got}")


client.create_registered_model("ranker")
for _ in range(3):
    client.create_model_version("ranker", source=folder)
tell("before")
client.set_model_version_tag("ranker", "2", "mlflow.prompt.is_prompt", "true")
tell("after")
PYTHON
diff <(sed -n 's/^#   \(\(before\|after\): .*\)/\1/p' "$0") <("$folder/env/bin/python" "$folder/seen.py" "$folder" 2>/dev/null)
echo "as described"
