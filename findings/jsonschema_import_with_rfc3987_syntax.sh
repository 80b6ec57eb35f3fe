#!/usr/bin/env bash
# Installing rfc3987-syntax, which nobody imports by name, makes every `import jsonschema` compile 39 grammars.
#
# Versions: jsonschema 4.26.0, rfc3987-syntax 1.1.0, lark 1.3.1; Python 3.11.
# Behaviour: jsonschema imports whatever checkers of formats it finds, at its own import. rfc3987-syntax, the one that its
#   extra format-nongpl brings for IRIs, builds a parser for each of its rules when it is imported, 39 of them, and keeps
#   nothing for the next process. So `import jsonschema` takes many times as long wherever another package has brought that
#   extra along, also in a program that validates no IRI and asks for no formats. No parser is built without the extra.
#   The time depends on the machine (about 0.8 s of processor time where this was seen); the count of parsers does not.
# Output seen:
#   without the extra: 0 grammars
#   with the extra: 39 grammars
# Run by hand. Exit code 1 when that has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
install() { "$folder/env/bin/pip" install --quiet --disable-pip-version-check "$@"; }
cat > "$folder/seen.py" <<'PYTHON'
import sys

import lark

built = 0
make = lark.Lark.__init__


def counting(self, *given, **named):
    global built
    built += 1
    make(self, *given, **named)


lark.Lark.__init__ = counting

import jsonschema  # noqa: E402, F401

print(f"{sys.argv[1]} the extra: {built} grammars")
PYTHON
install jsonschema==4.26.0 lark==1.3.1
"$folder/env/bin/python" "$folder/seen.py" without > "$folder/seen"
install 'jsonschema[format-nongpl]==4.26.0' rfc3987-syntax==1.1.0 lark==1.3.1
"$folder/env/bin/python" "$folder/seen.py" with >> "$folder/seen"
diff <(sed -n 's/^#   \(with.* grammars\)$/\1/p' "$0") "$folder/seen"
echo "as described"
