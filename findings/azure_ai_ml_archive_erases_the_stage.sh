#!/usr/bin/env bash
# azure-ai-ml archives a model's version without its stage, and brings back an archived one that it tags, without job and data.
#
# Versions: azure-ai-ml 1.35.2; Python 3.11; openssl makes the server's certificate (it sends its token over https alone).
# Behaviour: `archive` reads the version, which has a stage, and puts it back without one: to archive what is in production
#   erases that it was. `create_or_update` of an archived version whose tag was changed sends `isArchived: false`, and neither
#   the job that made it nor its data sets: its lineage is gone. No If-Match is sent with either.
# Output seen:
#   archive sends: isArchived true, stage none, job job-1, data some
#   a changed tag sends: isArchived false, stage Staging, job none, data none
# Run by hand. Exit code 1 when that has changed.
set -euo pipefail
script=$(realpath "$0")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check azure-ai-ml==1.35.2
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
  -keyout "$folder/key.pem" -out "$folder/certificate.pem" 2> "$folder/log"
cat > "$folder/seen.py" <<'PYTHON'
import json
import logging
import os
import ssl
import sys
import threading
import time
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

folder, sent = sys.argv[1], []
ROW = {
    "modelUri": "azureml://datastores/store/paths/fraud", "modelType": "custom_model", "tags": {}, "properties": {},
    "flavors": {"sklearn": {"data": {"code": "none"}}}, "stage": "Staging", "jobName": "job-1", "isArchived": False,
    "isAnonymous": False, "datasets": [{"name": "clients", "id": "azureml:clients:1"}],
}


class Manager(BaseHTTPRequestHandler):
    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.command == "PUT":
            sent.append(json.loads(body)["properties"])
        row = {"name": "1", "id": self.path.partition("?")[0], "properties": ROW}
        data = json.dumps({"value": [row]} if "orderBy" in self.path else row).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = answer

    def log_message(self, *about):
        pass


server = ThreadingHTTPServer(("localhost", 0), Manager)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(f"{folder}/certificate.pem", f"{folder}/key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ["AZUREML_DEV_URL_MFE"] = f"https://localhost:{server.server_port}"
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

from azure.ai.ml import MLClient
from azure.core.credentials import AccessToken


class Shown:
    def get_token(self, *scopes, **more):
        return AccessToken("token", int(time.time()) + 3600)


def said(what, properties):
    data = "some" if properties.get("datasets") else "none"
    archived, stage, job = json.dumps(properties["isArchived"]), properties.get("stage"), properties.get("jobName")
    print(f"{what} sends: isArchived {archived}, stage {stage or 'none'}, job {job or 'none'}, data {data}")


models = MLClient(Shown(), "s", "g", "w").models
models.archive("fraud", "1")
said("archive", sent[-1])
ROW["isArchived"] = True
found = models.get("fraud", "1")
found.tags["team"] = "risk"
models.create_or_update(found)
said("a changed tag", sent[-1])
PYTHON
export HOME="$folder" REQUESTS_CA_BUNDLE="$folder/certificate.pem"
diff <(sed -n 's/^#   \(archive sends.*\|a changed tag.*\)/\1/p' "$script") <("$folder/env/bin/python" "$folder/seen.py" "$folder")
echo "as described"
