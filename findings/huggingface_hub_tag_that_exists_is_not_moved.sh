#!/usr/bin/env bash
# huggingface_hub says that an expired token's repository does not exist, and that a tag was made which it left elsewhere.
#
# Versions: huggingface_hub 2.4.0; Python 3.11; openssl makes the server's certificate.
# Behaviour: over https the client takes every 401 that does not say "Invalid credentials in Authorization header" for
#   RepositoryNotFoundError, so `repo_exists` of a repository that a token may no longer read is False: whoever deletes what does
#   not exist any more deletes it. Over plain http the same answer is an ordinary error, so a fake on a socket hides it.
#   And `create_tag(…, exist_ok=True)` returns as if it had worked when the Hub answers 409: the tag stays at the old commit.
# Output seen:
#   https, 401: repo_exists False
#   http, 401: HfHubHTTPError
#   create_tag(exist_ok=True) on 409: None
# Run by hand. Exit code 1 when that has changed.
set -euo pipefail
script=$(realpath "$0")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check huggingface_hub==2.4.0
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
  -keyout "$folder/key.pem" -out "$folder/certificate.pem" 2> "$folder/log"
cat > "$folder/seen.py" <<'PYTHON'
import json
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

folder = sys.argv[1]


class Hub(BaseHTTPRequestHandler):
    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status = 409 if "/tag/" in self.path else 401
        body = json.dumps({"error": "The token has expired"}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_HEAD = answer

    def log_message(self, *about):
        pass


def hub(tls):
    server = ThreadingHTTPServer(("localhost", 0), Hub)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{folder}/certificate.pem", f"{folder}/key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    scheme = "https" if tls else "http"
    return HfApi(endpoint=f"{scheme}://localhost:{server.server_port}", token="hf_expired")


secure, plain = hub(True), hub(False)
print("https, 401: repo_exists", secure.repo_exists("acme/churn"))
try:
    print("http, 401:", plain.repo_exists("acme/churn"))
except HfHubHTTPError as error:
    print("http, 401:", type(error).__name__)
print("create_tag(exist_ok=True) on 409:", plain.create_tag("acme/churn", tag="v1", revision="main", exist_ok=True))
PYTHON
export HOME="$folder" SSL_CERT_FILE="$folder/certificate.pem" HF_HUB_DISABLE_TELEMETRY=1
diff <(sed -n 's/^#   \(https, .*\|http, .*\|create_tag(exist.*\)/\1/p' "$script") <("$folder/env/bin/python" "$folder/seen.py" "$folder")
echo "as described"
