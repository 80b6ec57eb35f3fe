#!/usr/bin/env bash
# The CycloneDX library writes a valid address with an IPv6 host so that its own validators refuse the document.
#
# Versions: cyclonedx-python-lib 11.12.0, rfc3987-syntax 1.1.0, jsonschema 4.26.0; Python 3.11.
# Behaviour: XsUri("https://[2001:db8::1]/x"), valid by RFC 3986 (3.2.2), is written as https://%5B2001:db8::1%5D/x, which no
#   RFC allows as a host; JsonValidator and JsonStrictValidator refuse it for 1.6 and 1.7. With the brackets put back by hand
#   they refuse it as well: the syntax that they hold addresses against knows no IPv6 host at all. So a bill of materials
#   cannot name anything at such an address as an external reference.
# Output seen:
#   as written: https://%5B2001:db8::1%5D/x   plain: refused   strict: refused
#   put back: https://[2001:db8::1]/x   plain: refused   strict: refused
#   a name: https://host.example/x   plain: valid   strict: valid
# Run by hand. Exit code 1 when that has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
  'cyclonedx-python-lib[json-validation]==11.12.0' 'rfc3987-syntax==1.1.0' 'jsonschema==4.26.0'
cat > "$folder/seen.py" <<'PYTHON'
import json

from cyclonedx.model import ExternalReference, ExternalReferenceType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator, JsonValidator


def document(address):
    reference = ExternalReference(type=ExternalReferenceType.VCS, url=XsUri(address))
    return JsonV1Dot6(Bom(components=[Component(name="scorer", external_references=[reference])])).output_as_string()


def tell(what, text):
    address = json.loads(text)["components"][0]["externalReferences"][0]["url"]
    plain, strict = (
        "valid" if kind(SchemaVersion.V1_6).validate_str(text) is None else "refused"
        for kind in (JsonValidator, JsonStrictValidator)
    )
    print(f"{what}: {address}   plain: {plain}   strict: {strict}")


written = document("https://[2001:db8::1]/x")
tell("as written", written)
tell("put back", written.replace("%5B", "[").replace("%5D", "]"))
tell("a name", document("https://host.example/x"))
PYTHON
diff <(grep '^#   ' "$0" | grep -E '^#   (as written|put back|a name):' | sed 's/^#   //') <("$folder/env/bin/python" "$folder/seen.py")
echo "as described"
