#!/usr/bin/env bash
# A program begun with `python -m` dies of a Ctrl-C that it handled, where that came in code that is run from a text.
#
# Versions: Python 3.11.7 (the same with 3.8.18, 3.9.18, 3.10.13, 3.12.1 and 3.13.0; not with 3.7.16); click 8.1.8.
# Behaviour: click makes of Ctrl-C an exception of its own; the program catches that, tidies up and chooses exit code 3. Where
#   Ctrl-C came while `exec` or `eval` ran a text, the interpreter has kept in mind that it left the text unhandled. With
#   `python -m` it looks at that when all is over: SIGINT ends the process, and there is no exit code. Begun as a file, as the
#   scripts that pip makes are, the same program ends with its code; and with `python -m` too, where Ctrl-C came elsewhere.
#   Dataclasses and named tuples are made of texts, so that a Ctrl-C while modules are imported meets it now and then.
# Output seen:
#   as a file, elsewhere: tidied up, exit code 3
#   as a file, in a text: tidied up, exit code 3
#   with python -m, elsewhere: tidied up, exit code 3
#   with python -m, in a text: tidied up, signal 2
# Run by hand. Exit code 1 when that has changed.
set -euo pipefail
script=$(realpath "$0")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check click==8.1.8
cat > "$folder/program.py" <<'PYTHON'
import signal
import sys
import time

import click


def wait():
    signal.raise_signal(signal.SIGINT)  # as Ctrl-C does
    time.sleep(5)


@click.command()
@click.argument("where")
def main(where):
    exec("wait()") if where == "in a text" else wait()


if __name__ == "__main__":
    try:
        main(standalone_mode=False)
    except click.Abort:
        print("tidied up", end=", ", flush=True)
        sys.exit(3)
PYTHON
cat > "$folder/seen.py" <<'PYTHON'
import subprocess
import sys

for how, begun in (("as a file", ["program.py"]), ("with python -m", ["-m", "program"])):
    for where in ("elsewhere", "in a text"):
        done = subprocess.run([sys.executable, *begun, where], stdout=subprocess.PIPE, text=True)
        code = done.returncode
        print(f"{how}, {where}: {done.stdout}{f'signal {-code}' if code < 0 else f'exit code {code}'}")
PYTHON
cd "$folder"
diff <(sed -n 's/^#   \(\(as a file\|with python -m\), .*: .*\)/\1/p' "$script") <("$folder/env/bin/python" "$folder/seen.py")
echo "as described"
