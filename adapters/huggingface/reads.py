"""Single repositories, as scans and `get` read them."""

from collections.abc import Callable

from adapters.errors import (
    AdapterError,
    AuthError,
    BadRecordError,
    NotFoundError,
    TransientError,
)
from adapters.huggingface.client import HubClient, MovedError, UnseenError
from adapters.huggingface.keys import MAIN, NativeId, split
from adapters.huggingface.records import Repository, to_main, to_model, to_tag
from adapters.payloads import Raw
from adapters.portions import Failures
from adapters.records import Key, Record, VersionRecord


class Reader:
    """Reads repositories whole, or one thing of them. Errors of every method: any `AdapterError`."""

    def __init__(self, api: HubClient) -> None:
        self.api = api
        self._failures = Failures()

    def repository(self, row: Raw, afford: Callable[[], None]) -> Repository | None:
        """A repository that was listed, with what each tag names; None where it was deleted meanwhile. `afford` is
        called before each request but the first. What cannot be read of it is unknown, and hides nothing else.
        """
        try:
            try:
                return self._whole(row, afford)
            except MovedError:
                afford()
                return self._whole(self.api.row(row["id"]), afford)
        except UnseenError:
            return None

    def _whole(self, row: Raw, afford: Callable[[], None]) -> Repository:
        found = self._with_refs(row, is_one_of_many=True)
        for commit in {commit for commit in found.tags.values() if commit}:
            if self.api.known(row, commit) is None:
                afford()
            try:
                found.commits[commit] = self.api.commit(row, commit)
            except AdapterError as error:
                found.failed[commit] = self._passed_over(error, found)
        return found

    def _passed_over(self, error: AdapterError, found: Repository) -> str:
        """Why something could not be read. Errors: this one, where it is the Hub or the token that fails."""
        if isinstance(error, UnseenError | MovedError):
            raise error
        why = self._failures.passed_over(error)
        found.is_partial |= isinstance(error, TransientError)
        if isinstance(error, AuthError) and self.api.config.token is not None:
            self.api.prove()
        return why

    def record(self, key: Key) -> Record:
        """A model or version as it is now."""
        at = split(key)
        if not self.api.reads(at.name):
            raise NotFoundError(
                f"{at.name} does not belong to this registry: see `authors` and `repositories`"
            )
        row = self.api.row(at.name)
        if row["_id"] != at.id:
            raise NotFoundError(f"{at.name} does not exist: another one has its name")
        if row["id"] != at.name:
            raise NotFoundError(f"{at.name} is called {row['id']} now")
        if at.tag == MAIN:
            return to_main(self._site(row))
        return to_model(self._with_refs(row)) if at.tag is None else self._tag(at, row)

    def _tag(self, at: NativeId, row: Raw) -> VersionRecord:
        found = self._with_refs(row)
        if found.unread is not None:
            raise AuthError(found.unread)
        name = at.tag or ""
        commit = found.tags.get(name)
        if name not in found.tags or (commit and not at.is_met_by(commit)):
            raise NotFoundError(f"{at.name} has no tag {name}, or it names another commit now")
        if commit is None:
            raise BadRecordError(f"tag {name} of {at.name} names no commit", native=f"{at.name}@{name}")
        found.commits[commit] = self.api.commit(row, commit)
        return to_tag(found, name)

    def _with_refs(self, row: Raw, *, is_one_of_many: bool = False) -> Repository:
        found = self._site(row)
        try:
            refs = self.api.refs(row["id"])
        except AdapterError as error:
            if not is_one_of_many and not isinstance(error, AuthError):
                raise
            found.unread = (
                f"tags and branches of {row['id']} cannot be read: {self._passed_over(error, found)}"
            )
            return found
        self._failures.succeeded()
        found.tags, found.branches = refs["tags"], refs["branches"]
        return found

    def _site(self, row: Raw) -> Repository:
        return Repository(self.api.config, row)
