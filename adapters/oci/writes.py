"""Changing a registry: moving tags, and deleting what no other tag needs."""

from adapters.errors import ConflictError, InvalidError, NotFoundError, UnsupportedError
from adapters.oci.client import ACCEPT
from adapters.oci.reads import REFERRERS, TAG, Reader, TaggedRepository
from adapters.oci.records import NUMBERED, names_of
from adapters.parsing import parse_json
from adapters.payloads import text


class Writer:
    """The calls that change something. A registry compares nothing: between a look and a write another writer may come.

    Errors: any `AdapterError`.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader, self._client = reader, reader.client

    def point(self, found: TaggedRepository, alias: str, version: str | None) -> None:
        """Let a tag stand for a version, or take it away."""
        if not TAG.fullmatch(alias) or NUMBERED.fullmatch(alias) or REFERRERS.fullmatch(alias):
            raise InvalidError(
                f"alias {alias[:130]!r}: a registry wants letters, digits, '_', '.' and '-', at most 128, and a tag "
                "that looks like a version names one"
            )
        tags = {tag: one.digest for tag, one in found.models.items()}
        held = found.tags[alias].digest if alias in found.tags else None
        if held is not None and sum(one.digest == held for one in found.tags.values()) == 1:
            raise InvalidError(
                f"tag {alias} is the only one of {held[:19]}, which would be lost: give that another tag first"
            )
        if version is None:
            self._take_away(found.name, alias)
            return
        digest = next((one for one, name in names_of(tags).items() if name == version), None)
        if digest is None:
            raise NotFoundError(
                f"{found.name} has no version {version[:100]}: an alias needs one that exists"
            )
        _, body = self._reader.manifest(found.name, digest)
        kind = text(parse_json(body, "the manifest"), "mediaType") or ACCEPT["Accept"].partition(",")[0]
        self._send("PUT", found.name, alias, headers={"Content-Type": kind}, body=body)

    def remove(self, found: TaggedRepository, digest: str) -> None:
        """Delete a version. Errors: `ConflictError` where that takes something else along."""
        tags = sorted(tag for tag, one in found.tags.items() if one.digest == digest)
        names = names_of(dict.fromkeys(tags, digest))
        others = [f"tag {tag}" for tag in tags if tag != names[digest]]
        if names[digest] not in tags:  # no tag names it by a version: the first is as good
            others = others[1:]
        others += [f"manifest {one[:19]} in it" for one in found.tags[tags[0]].children]
        others += [
            f"index {tag}, which has it" for tag, one in sorted(found.tags.items()) if digest in one.children
        ]
        if others:
            raise ConflictError(
                f"deleting {found.name}:{names[digest]} takes along {', '.join(others)}: move or delete that first"
            )
        self._send("DELETE", found.name, digest)

    def _take_away(self, repository: str, tag: str) -> None:
        try:
            self._send("DELETE", repository, tag)
        except NotFoundError:
            return
        except (InvalidError, UnsupportedError) as error:
            raise UnsupportedError(
                f"this registry takes no tag away ({error}): point {tag} at another version"
            ) from None

    def _send(self, method: str, repository: str, name: str, **given: object) -> None:
        rights = "delete" if method == "DELETE" else "pull,push"
        path = f"/v2/{repository}/manifests/{name}"
        self._client.scoped(method, path, f"repository:{repository}:{rights}", **given)
