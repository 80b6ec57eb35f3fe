#!/usr/bin/env bash
# The reference library of Standard Webhooks takes a URL-safe secret, and checks by another key than the one it is.
#
# Versions: standardwebhooks 1.1.0; Python 3.11.
# Behaviour: a secret whose base64 is the URL-safe one (`-` and `_` in place of `+` and `/`) is decoded without a look at its
#   letters, and those two are passed over. What remains is another, shorter key, or an error of padding: what its owner signs
#   with the key that was meant is refused, and nothing says that the secret is the reason.
# Output seen:
#   plain base64: verified
#   URL-safe, 8 letters passed over: WebhookVerificationError
# Run by hand. Exit code 1 when that has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check 'standardwebhooks==1.1.0'
cat > "$folder/seen.py" <<'PYTHON'
import base64
import hashlib
import hmac
import sys
import time

from standardwebhooks import Webhook

KEY = b"\xfb\xef\xbe" + b"A" * 24 + b"\xff\xff\xff"  # four letters of each kind: whole groups go


def verified(secret):
    at, body = str(int(time.time())), b"{}"
    digest = hmac.new(KEY, f"m.{at}.".encode() + body, hashlib.sha256).digest()
    headers = {
        "webhook-id": "m", "webhook-timestamp": at, "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }
    try:
        Webhook(secret).verify(body, headers)
    except Exception as error:
        return type(error).__name__
    return "verified"


plain, safe = base64.b64encode(KEY).decode(), base64.urlsafe_b64encode(KEY).decode()
passed_over = sum(safe.count(letter) for letter in "-_")
seen = verified("whsec_" + plain), verified("whsec_" + safe)
print(f"plain base64: {seen[0]}")
print(f"URL-safe, {passed_over} letters passed over: {seen[1]}")
sys.exit(seen != ("verified", "WebhookVerificationError"))
PYTHON
"$folder/env/bin/python" "$folder/seen.py"
