#!/usr/bin/env bash
# In ZenML, a second version that is taken out of its stage by force sends the first one into the archive.
#
# Versions: zenml[server] 0.98.0 on SQLite, its HTTP API; Python 3.11.
# Behaviour: a stage holds one version of a model, and `force` sends who has it to `archived`. `none` counts as a stage, although it
#   means that a version is in none: where one version was set to `none`, setting another one to `none` is refused by an error of
#   the server (500), and with `force` it archives the first. Nobody asked for that, and what nobody retired looks retired.
# Output seen:
#   first to none: 200
#   second to none: 500
#   second to none by force: 200
#   stages afterwards: archived none
# Run by hand; it installs 135 MB. Exit code 1 when that has changed.
set -euo pipefail
script=$(realpath "$0")
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || { kill "$server"; wait "$server" || true; }; rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check 'zenml[server]==0.98.0'
export HOME="$folder" ZENML_CONFIG_PATH="$folder" ZENML_ANALYTICS_OPT_IN=false ZENML_LOGGING_VERBOSITY=ERROR
export ZENML_SERVER=true ZENML_SERVER_AUTO_ACTIVATE=true ZENML_DEFAULT_USER_NAME=default ZENML_DEFAULT_USER_PASSWORD=a-passw0rd
export ZENML_STORE_URL="sqlite:///$folder/zenml.db"
port=$("$folder/env/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$folder/env/bin/python" -m uvicorn zenml.zen_server.zen_server_api:app --port "$port" > "$folder/log" 2>&1 &
server=$!
cat > "$folder/seen.py" <<'PYTHON'
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

URL = f"http://127.0.0.1:{sys.argv[1]}/api/v1"
headers = {}


def ask(method, path, body=None, form=None):
    data = json.dumps(body).encode() if form is None else urllib.parse.urlencode(form).encode()
    kind = "application/json" if form is None else "application/x-www-form-urlencoded"
    given = {**headers, "Content-Type": kind}
    request = urllib.request.Request(URL + path, data if method != "GET" else None, given, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, None


for _ in range(1200):
    try:
        _, found = ask("POST", "/login", form={"username": "default", "password": "a-passw0rd"})
        break
    except OSError:
        time.sleep(0.1)
headers["Authorization"] = f"Bearer {found['access_token']}"
project = ask("GET", "/projects/default")[1]["id"]
model = ask("POST", "/models", {"name": "held", "project": project})[1]["id"]
first, second = (ask("POST", "/model_versions", {"model": model, "project": project})[1]["id"] for _ in range(2))


def out_of_its_stage(version, force):
    return ask("PUT", f"/model_versions/{version}", {"stage": "none", "force": force})[0]


print("first to none:", out_of_its_stage(first, False))
print("second to none:", out_of_its_stage(second, False))
print("second to none by force:", out_of_its_stage(second, True))
print("stages afterwards:", *(ask("GET", f"/model_versions/{one}")[1]["body"]["stage"] for one in (first, second)))
PYTHON
diff <(sed -n 's/^#   \(first to none: .*\|second to none.*: .*\|stages afterwards: .*\)/\1/p' "$script") \
  <("$folder/env/bin/python" "$folder/seen.py" "$port")
echo "as described"
