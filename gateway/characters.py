"""Text from outside, shown so that it steers nothing: neither a terminal nor the direction of what is read."""

import unicodedata

HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that show nothing of themselves or steer what is around them."""


def inert(text: object) -> str:
    """Text that does nothing but show: hidden and steering characters as escapes."""
    plain = str(text)
    if plain.isascii() and plain.isprintable():
        return plain
    return "".join(c if unicodedata.category(c) not in HIDDEN else _escape(c) for c in plain)


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode()
