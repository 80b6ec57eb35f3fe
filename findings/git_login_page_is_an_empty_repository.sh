#!/usr/bin/env bash
# For git, a login page with status 200 is a repository without a single tag: `git ls-remote` succeeds and prints nothing.
#
# Versions: git 2.39.5; Python 3.11 serves the page.
# Behaviour: where something before a git server (a captive portal, single sign-on, a proxy that says it is sorry) answers
#   `GET /info/refs?service=git-upload-pack` with an HTML page of one line and 200, git takes the server for one of its old
#   "dumb" protocol, whose list of refs is plain text, and finds no ref in the page; only a page with a line feed is found to be
#   no list. `git ls-remote` ends with 0 and prints nothing, exactly as for a repository that is empty; so does
#   `git fetch --prune`, which then deletes every tag that it had. Whoever mirrors a repository, or takes for deleted what is no
#   longer listed, has lost it all. The content type tells: application/x-git-upload-pack-advertisement.
# Output seen:
#   ls-remote of a login page: exit 0, 0 lines
#   tags before and after `git fetch --prune`: 2, 0
# Run by hand. Exit code 1 when that has changed.
set -euo pipefail
script=$(realpath "$0")
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$folder"' EXIT
export HOME="$folder" GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
git config --global user.name someone
git config --global user.email someone@example.com
cat > "$folder/page.py" <<'PYTHON'
from http.server import BaseHTTPRequestHandler, HTTPServer


class LoginPage(BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"<html><form>Please sign in</form></html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *about):
        pass


server = HTTPServer(("127.0.0.1", 0), LoginPage)
print(server.server_port, flush=True)
server.serve_forever()
PYTHON
"${PYTHON:-python3}" "$folder/page.py" > "$folder/port" &
server=$!
until [ -s "$folder/port" ]; do sleep 0.05; done
url="http://127.0.0.1:$(cat "$folder/port")/models.git"
git init --quiet "$folder/models"
git -C "$folder/models" commit --quiet --allow-empty --message one
git -C "$folder/models" tag v1
git -C "$folder/models" tag v2
git clone --quiet --mirror "$folder/models" "$folder/mirror" 2> "$folder/log"
seen() {
  local code=0 before
  git ls-remote "$url" > "$folder/refs" 2> "$folder/log" || code=$?
  echo "ls-remote of a login page: exit $code, $(wc -l < "$folder/refs") lines"
  before=$(git -C "$folder/mirror" tag | wc -l)
  git -C "$folder/mirror" remote set-url origin "$url"
  git -C "$folder/mirror" fetch --quiet --prune origin 2> "$folder/log"
  echo "tags before and after \`git fetch --prune\`: $before, $(git -C "$folder/mirror" tag | wc -l)"
}
diff <(sed -n 's/^#   \(ls-remote of .*: exit.*\|tags before .*\)/\1/p' "$script") <(seen)
echo "as described"
