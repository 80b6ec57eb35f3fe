#!/usr/bin/env bash
# litestar documents a bound that stands inside `| None`, and does not hold it; a name that stands there is lost.
#
# Versions: litestar 2.25.0, msgspec 0.22.0; Python 3.11.
# Behaviour: `Annotated[int, QueryParameter(le=100)] | None` and `Annotated[int | None, QueryParameter(le=100)]` read alike,
#   and both come out of /schema with a maximum of 100. Only the second is held: with the first, 5000 is let through to the
#   handler. A `name=` in that place is ignored as well: the parameter is called what the argument is called. Nothing is said
#   at the start. msgspec itself holds a bound in either place.
# Output seen:
#   around the union: documented 100.0, 5000 gives 400, asked for as label
#   inside the union: documented 100.0, 5000 gives 200, asked for as limit
#   msgspec, inside the union: 5000 is refused
# Run by hand. Exit code 1 when that has changed.
set -euo pipefail
script=$(realpath "$0")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check litestar==2.25.0 msgspec==0.22.0 httpx==0.28.1
cat > "$folder/seen.py" <<'PYTHON'
import logging
from typing import Annotated

import msgspec
from litestar import Litestar, get
from litestar.params import QueryParameter
from litestar.testing import TestClient


@get("/around")
async def around(limit: Annotated[int | None, QueryParameter(le=100, name="label")] = None) -> int:
    return limit or 0


@get("/inside")
async def inside(limit: Annotated[int, QueryParameter(le=100, name="label")] | None = None) -> int:
    return limit or 0


def bound(schema):
    """The maximum, wherever in the schema it stands."""
    return next(float(part["maximum"]) for part in (schema, *schema["oneOf"]) if "maximum" in part)


logging.disable(logging.CRITICAL)
app = Litestar([around, inside])
paths = app.openapi_schema.to_schema()["paths"]
with TestClient(app) as client:
    for path in ("around", "inside"):
        (parameter,) = paths[f"/{path}"]["get"]["parameters"]
        name = parameter["name"]
        status = client.get(f"/{path}", params={name: 5000}).status_code
        print(f"{path} the union: documented {bound(parameter['schema'])}, 5000 gives {status}, asked for as {name}")
try:
    msgspec.convert(5000, Annotated[int, msgspec.Meta(le=100)] | None)
    print("msgspec, inside the union: 5000 is taken")
except msgspec.ValidationError:
    print("msgspec, inside the union: 5000 is refused")
PYTHON
diff <(sed -n 's/^#   \(around the.*\|inside the.*\|msgspec, inside.*\)/\1/p' "$script") <("$folder/env/bin/python" "$folder/seen.py")
echo "as described"
