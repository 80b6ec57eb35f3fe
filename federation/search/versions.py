"""How versions are compared: as SemVer where they are written so, else by their own order, numbers as numbers."""

import re
from functools import lru_cache

_SEMVER = re.compile(
    r"v?(\d+(?:\.\d+){0,3})(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?", re.ASCII | re.IGNORECASE
)
_NUMBERS = re.compile(r"(\d+)", re.ASCII)
COMPONENTS = 4
MOST_DIGITS = 20
MAX_KEY = 200


@lru_cache(16_384)
def order_key(version: str) -> str:
    """What versions compare by, in letters and digits only: `2.10.0-rc.1` before `2.10.0` and behind `2.9`. Those that
    are not written as SemVer stand apart, ordered as text with numbers as numbers."""
    found = _SEMVER.fullmatch(version)
    if found is None or len(found[1]) > MOST_DIGITS * COMPONENTS:
        return ("t" + "".join(map(_piece, _NUMBERS.split(version))))[:MAX_KEY]
    numbers = found[1].split(".")
    numbers += ["0"] * (COMPONENTS - len(numbers))
    release = "1" if found[2] is None else "0" + "".join(map(_piece, found[2].split("."))) + "0"
    return ("s" + "".join(map(_number, numbers)) + release)[:MAX_KEY]


def _number(digits: str) -> str:
    plain = digits.lstrip("0") or "0"
    return f"{len(plain):02d}{plain}"


def _piece(text: str) -> str:
    """A number stands before a word, as SemVer has it."""
    if text.isdigit() and text.isascii():
        return f"1{_number(text)}"
    return f"2{text.encode('utf-8', 'replace').hex()}00"
