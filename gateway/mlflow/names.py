"""How models are called where MLflow's clients name them, and how a path of an artifact names a version.

A client takes no name with `/` or `:`, and in `models:/NAME/1` it misreads both. So these two stand there
percent-encoded, and a `%` only where it would be read as one of them: what MLflow itself can hold is called as it is.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error

from federation.errors import UnknownError
from federation.references import Reference

STAGES = {"none": "None", "staging": "Staging", "production": "Production", "archived": "Archived"}
"""The normalised stages in MLflow's words."""
_MUST_ENCODE = re.compile(r"[/:]|%(?=2F|3A|25|40)")
_ENCODED = re.compile("%(2F|3A|25|40)")
_SIGNS = {"/": "%2F", ":": "%3A", "%": "%25", "@": "%40"}
_LETTERS = {code[1:]: sign for sign, code in _SIGNS.items()}
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


def shown_name(model: str) -> str:
    """The name under which MLflow's clients know a model."""
    return _MUST_ENCODE.sub(lambda found: _SIGNS[found[0]], model)


def meant_name(name: str) -> str:
    """The model that a client means by a name."""
    return _ENCODED.sub(lambda found: _LETTERS[found[1]], name)


def alias_of(version: str) -> str:
    """What stands behind `@` in `models:/NAME@…` for a version that is no whole number; MLflow takes those alone behind
    a `/`.
    """
    return shown_name(version).replace("@", "%40")


def model_of(registry: str, name: str) -> Reference:
    """The reference of a model that a client names. Errors: `ReferenceSyntaxError`."""
    return Reference(registry, meant_name(name))


def version_of(registry: str, name: str, version: str) -> Reference:
    """The reference of a version that a client names. Errors: `ReferenceSyntaxError`."""
    return Reference(registry, meant_name(name), version)


def files_of(model: str, version: str) -> str:
    """The path under which the artifact proxy has the files of a version; neither part needs quoting in a URL."""
    return f"{_segment(model)}/{_segment(version)}"


def version_at(path: str) -> tuple[str, str, str]:
    """Model, version and the path inside of it that a path of the artifact proxy names. Errors: `UnknownError`."""
    model, _, rest = path.strip("/").partition("/")
    version, _, inside = rest.partition("/")
    if not version:
        raise UnknownError()
    return _meant(model), _meant(version), inside


def _segment(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    return "~" + urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _meant(segment: str) -> str:
    if not segment.startswith("~"):
        return segment
    try:
        code = segment[1:]
        return urlsafe_b64decode(code + "=" * (-len(code) % 4)).decode()
    except (Error, ValueError):
        raise UnknownError() from None
