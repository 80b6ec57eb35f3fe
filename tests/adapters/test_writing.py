"""What every kind's writes have in common, on a record that lives in a list."""

import re

import pytest

from adapters import (
    AdapterError,
    AuthError,
    ConflictError,
    Key,
    ModelRecord,
    NotFoundError,
    RejectedError,
    VersionRecord,
)
from adapters.writing import difference, digest, has_stage, has_tags, kept_token, remove, settle, with_changes

KEY = Key("model", "m1")


class ModelShelf:
    """One model, or none; what was sent to it is counted."""

    def __init__(self) -> None:
        self.model: ModelRecord | None = ModelRecord(key=KEY, name="churn", tags={"team": "risk"}, etag="1")
        self.sent = 0

    def read(self, key: Key) -> ModelRecord:
        if self.model is None:
            raise NotFoundError(f"{key.native_id} does not exist")
        return self.model

    def tag(self, now: ModelRecord | VersionRecord) -> None:
        self.sent += 1
        self.model = ModelRecord(key=KEY, name="churn", tags={"team": "growth"}, etag="2")

    def delete(self, now: ModelRecord | VersionRecord) -> None:
        self.sent += 1
        self.model = None


class LookedAtOnceShelf(ModelShelf):
    """Nobody may look at it once something was sent."""

    def read(self, key: Key) -> ModelRecord:
        if self.sent:
            raise AuthError("the token has ended")
        return super().read(key)

    def lose(self, now: ModelRecord | VersionRecord) -> None:
        self.sent += 1
        raise NotFoundError("it does not exist")


def test_a_look_that_is_refused_after_a_write_does_not_say_that_the_write_was() -> None:
    shelf = LookedAtOnceShelf()
    with pytest.raises(AdapterError, match="the token has ended") as told:
        settle(shelf.read, KEY, has_tags({"team": "growth"}), shelf.tag, None)
    assert not isinstance(told.value, RejectedError)
    shelf = LookedAtOnceShelf()
    with pytest.raises(AdapterError, match="the token has ended") as told:
        remove(shelf.read, KEY, shelf.lose, None)
    assert not isinstance(told.value, RejectedError)


def test_what_is_so_already_is_not_written_whatever_the_etag() -> None:
    shelf = ModelShelf()
    assert settle(shelf.read, KEY, has_tags({"team": "risk"}), shelf.tag, "old").etag == "1"
    assert shelf.sent == 0


def test_a_write_compares_and_is_read_back() -> None:
    shelf = ModelShelf()
    with pytest.raises(ConflictError, match=r"model m1 has changed since it was read: read it again"):
        settle(shelf.read, KEY, has_tags({"team": "growth"}), shelf.tag, "0")
    assert shelf.sent == 0
    assert settle(shelf.read, KEY, has_tags({"team": "growth"}), shelf.tag, "1").etag == "2"


def test_what_is_of_another_kind_is_not_written() -> None:
    shelf = ModelShelf()
    with pytest.raises(NotFoundError, match="model m1 is no version"):
        settle(shelf.read, KEY, has_stage("stage", "prod"), shelf.tag, None)
    assert shelf.sent == 0


def test_what_is_gone_needs_no_delete_and_what_goes_meanwhile_no_error() -> None:
    shelf = ModelShelf()

    def somebody_else_was_first(now: ModelRecord | VersionRecord) -> None:
        shelf.delete(now)
        raise NotFoundError("m1 does not exist")

    remove(shelf.read, KEY, somebody_else_was_first, "1")
    remove(shelf.read, KEY, shelf.delete, "1")
    assert shelf.sent == 1


def test_a_delete_that_finds_nothing_is_no_proof_while_the_record_can_be_read() -> None:
    shelf = ModelShelf()

    def wrong_address(now: ModelRecord | VersionRecord) -> None:
        raise NotFoundError("there is no such page")

    with pytest.raises(NotFoundError, match="no such page"):
        remove(shelf.read, KEY, wrong_address, None)


def test_tags_are_told_apart_by_what_must_be_done() -> None:
    now, changes = {"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "5", "c": None, "d": None, "e": ""}
    assert with_changes(now, changes) == {"a": "1", "b": "5", "e": ""}
    assert difference(now, changes) == ({"b": "5", "e": ""}, ["c"])


def test_etags_and_tokens_are_those_of_the_releases_before() -> None:
    assert digest(["x", {"b": 1, "a": 2}]) == "b2a354ca7e9f901e82bff6e5"
    assert kept_token("ab-1", 36, re.compile("[a-z0-9-]{1,36}")) == "ab-1"
    assert kept_token("a b", 8, re.compile("[a-z]+")) == kept_token("a b", 8) == "c8687a08"
