#!/usr/bin/env bash
# wordllama brings weights and tokenizer in its wheel, finds the weights, and asks a hub for the tokenizer.
#
# Versions: wordllama 0.4.0.post1, tokenizers 0.23.3, numpy 2.4.6; Python 3.11.
# Behaviour: the loader looks for the tokenizer in a folder `tokenizer` of the package, and the wheel has `tokenizers`. So a
#   machine without a way out cannot load what it has installed, and one with a way out downloads it again. The folder of the
#   package given as the cache is a way round: there the right name is looked for. And an import of the package gives the
#   root logger a handler and the level INFO: what an application sets up afterwards by `logging.basicConfig` is passed over.
# Output seen:
#   in the wheel: weights/l2_supercat_256.safetensors tokenizers/l2_supercat_tokenizer_config.json
#   offline: FileNotFoundError: Tokenizer file 'l2_supercat_tokenizer_config.json' not found
#   offline, the package as the cache: a vector of 256 numbers
#   handlers of the root logger: 0 before the import, 1 after it
# Run by hand. Exit code 1 when that has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check wordllama==0.4.0.post1 tokenizers==0.23.3 numpy==2.4.6
cat > "$folder/seen.py" <<'PYTHON'
import logging
import sys
from pathlib import Path

before = len(logging.getLogger().handlers)
import wordllama  # noqa: E402

after = len(logging.getLogger().handlers)
package = Path(wordllama.__file__).parent
files = sorted((*package.glob("weights/*"), *package.glob("tokenizers/*.json")), key=lambda path: path.suffix, reverse=True)
print("in the wheel:", *(path.relative_to(package) for path in files))


def offline(cache):
    try:
        loaded = wordllama.WordLlama.load(cache_dir=cache, disable_download=True)
    except FileNotFoundError as error:
        return f"FileNotFoundError: {str(error).split(' in ')[0]}"
    return f"a vector of {loaded.embed('fraud').shape[1]} numbers"


print("offline:", offline(Path(sys.argv[1])))
print("offline, the package as the cache:", offline(package))
print(f"handlers of the root logger: {before} before the import, {after} after it")
PYTHON
diff <(sed -n '/^# Output seen/,/^# Run by hand/s/^#   //p' "$0") <("$folder/env/bin/python" "$folder/seen.py" "$folder/cache" 2>/dev/null)
echo "as described"
