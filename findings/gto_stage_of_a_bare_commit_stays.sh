#!/usr/bin/env bash
# GTO cannot take a stage back from a commit that has no version: the command refuses, and the tag for it changes nothing.
#
# Versions: gto 1.10.1, pygit2 as it installs; git 2.39.5; Python 3.11.
# Behaviour: `gto assign NAME COMMIT --stage dev --skip-registration` gives a stage to a bare commit. `gto deprecate NAME COMMIT dev`
#   then refuses, since a commit is no version. A tag `NAME#dev!#2` on that commit, GTO's own notation, stands as "unassignment"
#   in `gto history`, and yet `gto show` goes on saying that the commit is in dev. With a registered version both work: the
#   stage is gone. Whoever reads the tags as documented and whoever asks gto disagree about what is in production.
# Output seen:
#   deprecate of a bare commit: refused
#   history: assignment unassignment
#   bare: dev
#   registered: -
# Run by hand. Exit code 1 when that has changed.
set -euo pipefail
script=$(realpath "$0")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check gto==1.10.1
export HOME="$folder" GIT_CONFIG_NOSYSTEM=1 PATH="$folder/env/bin:$PATH"
git config --global user.name someone
git config --global user.email someone@example.com
git init --quiet --initial-branch main "$folder/models"
cd "$folder/models"
git commit --quiet --allow-empty --message one
gto register registered --version v1.0.0 > /dev/null
gto assign registered --version v1.0.0 --stage dev > /dev/null
git commit --quiet --allow-empty --message two
gto assign bare HEAD --stage dev --skip-registration > /dev/null
sleep 1.1 # gto orders tags by the second
gto deprecate registered v1.0.0 dev > /dev/null
seen() {
  gto deprecate bare "$(git rev-parse --short HEAD)" dev > /dev/null 2>&1 && echo "deprecate of a bare commit: done" \
    || echo "deprecate of a bare commit: refused"
  git tag --annotate --message taken-back 'bare#dev!#2'
  echo "history: $(gto history bare --json | "$folder/env/bin/python" -c '
import json, sys
print(*sorted(one["event"] for one in json.load(sys.stdin)))')"
  gto show --json | "$folder/env/bin/python" -c '
import json, sys
for name, found in sorted(json.load(sys.stdin).items()):
    print(f"{name}:", "dev" if found["stage"]["dev"] else "-")'
}
diff <(sed -n 's/^#   \(deprecate of .*\|history: .*\|bare: .*\|registered: .*\)/\1/p' "$script") <(seen)
echo "as described"
