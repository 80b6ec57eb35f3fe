"""Native ids. A model is its folder's name: nothing on a share tells a folder from one that was there before. A version
is its name and the digest of its files, so other files under the same name are another one.
"""

from urllib.parse import quote, unquote

from adapters.errors import NotFoundError
from adapters.parsing import UNSTORABLE
from adapters.records import Key

Names = tuple[str, ...]
"""The folders that lead to a model, or to a version."""


def model_key(names: Names) -> Key:
    """The key of a model."""
    return Key("model", "/".join(quote(name, safe="") for name in names))


def version_key(model: Names, version: str, digest: str) -> Key:
    """The key of a version whose files have this digest."""
    return Key("version", f"{model_key((*model, version)).native_id}@{digest}")


def names_of(key: Key, levels: int) -> Names:
    """The folders that a key leads to: `levels`, for a version one more. Errors: `NotFoundError` for no key of ours."""
    path, at, digest = key.native_id.partition("@")
    names = tuple(map(unquote, path.split("/")))
    is_version = key.kind == "version"
    fits = len(names) == levels + is_version and bool(at and digest) == is_version
    if (
        key.kind == "endpoint"
        or not fits
        or not all(map(is_name, names))
        or model_key(names).native_id != path
    ):
        raise NotFoundError(f"{key.kind} {key.native_id[:200]} does not exist")
    return names


def is_name(name: str) -> bool:
    """Whether a folder of this name can be a model or version: no hidden one, and a name that is text."""
    return not (name.startswith(".") or "/" in name or UNSTORABLE.search(name)) and bool(name.strip())
