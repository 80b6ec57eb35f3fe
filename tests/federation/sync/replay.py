"""The state of the catalogue, from the journal's entries alone."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from federation.journal.entry import Action, Entry

NOUNS = ("model", "version", "versions", "endpoint", "alias", "stage", "catalogue")


@dataclass
class Replayed:
    """What lives, by native id: models with their aliases, versions with their stage, endpoints."""

    models: dict[str, dict[str, str]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    endpoints: set[str] = field(default_factory=set)

    def take(self, entry: Entry) -> None:
        """What one entry says. Raises AssertionError for one that does not fit what went before."""
        noun, _, verb = entry.action.partition(".")
        if noun not in NOUNS:
            return
        if entry.action == Action.CATALOGUE_IMPORTED:
            self._import(entry.details)
            return
        if entry.action == Action.VERSIONS_RENAMED:
            for former, present in entry.details["keys"]:
                self.versions[present] = self.versions.pop(former)
            return
        key: Any = entry.details["key"]
        after: Any = entry.after or {}
        match noun:
            case "alias":
                assert self.models[key].get(_alias(entry)) == _before(entry), entry
                self.models[key] |= {_alias(entry): after["version"]}
                if after["version"] is None:
                    del self.models[key][_alias(entry)]
            case "stage":
                assert self.versions[key] == (entry.before or {})["stage"], entry
                self.versions[key] = after["stage"]
            case _ if verb in ("created", "restored"):
                assert key not in self._of(noun), entry
                self._add(noun, key, after.get("stage", "none"))
            case _ if verb == "renamed":
                self.models[key] = self.models.pop(str(entry.details["former"]))
            case _ if verb == "deleted":
                self._drop(noun, key)
            case _:
                assert key in self._of(noun), entry

    def _import(self, details: Any) -> None:
        for record, _ in details["records"]:
            kind, _, key = record.partition(" ")
            self._add(kind, key, "none")
        for key, alias, version in details.get("aliases", ()):
            self.models[key][alias] = version
        for key, stage in details.get("stages", ()):
            self.versions[key] = stage

    def _of(self, noun: str) -> Any:
        return {"model": self.models, "version": self.versions, "endpoint": self.endpoints}[noun]

    def _add(self, noun: str, key: str, stage: str) -> None:
        if noun == "model":
            self.models[key] = {}
        elif noun == "version":
            self.versions[key] = stage
        else:
            self.endpoints.add(key)

    def _drop(self, noun: str, key: str) -> None:
        if noun == "endpoint":
            self.endpoints.remove(key)
        else:
            del self._of(noun)[key]


def _alias(entry: Entry) -> str:
    return str(entry.ref).rpartition("@")[2]


def _before(entry: Entry) -> Any:
    return (entry.before or {}).get("version")


def replay(entries: Iterable[Entry]) -> Replayed:
    """What all of them say."""
    found = Replayed()
    for entry in entries:
        found.take(entry)
    return found
