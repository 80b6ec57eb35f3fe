"""The feed: typed, derived from the journal alone, replayed across a seal, and without a trace of what is hidden."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from sqlalchemy import delete, func, insert, select, update

from adapters import EndpointRecord
from federation import tables
from federation.access import EVERYTHING, View
from federation.database import now, open_engine, writing
from federation.errors import UnknownError
from federation.events.events import NEWEST, TYPES, EventQueryError, Selected, example
from federation.journal import sealing
from federation.journal.sealing import FOLLOWING
from federation.journal.tables import checkpoint, seal
from federation.registries import configured
from tests.federation.events.told import ANY, CHURN, LIVE, OTHER, ToldFeed, model, registry, version


@pytest.fixture
def told(database: str) -> Iterator[ToldFeed]:
    engine = open_engine(database)
    yield ToldFeed(engine)
    engine.dispose()


def test_each_type_has_an_example_and_the_sdk_reads_it() -> None:
    for kind in TYPES.values():
        shown = example(kind)
        assert msgspec.convert(msgspec.to_builtins(shown), kind) == shown
        assert kind.type.meaning
        assert kind.__doc__


def test_what_happens_is_told_in_order_and_the_sdk_reads_it(told: ToldFeed) -> None:
    told.write("fraud", model(CHURN, "churn"), version(CHURN, "1"))
    told.write("fraud", model(CHURN, "churn", champion="1"), EndpointRecord(key=LIVE, name="live"))
    told.write("fraud", model(CHURN, "churn-new", champion="1"))
    told.follow()
    found = told.all(wanted=Selected(on="registry:fraud"))
    assert [(one.type, one.subject) for one in found] == [
        ("registry.applied", "fraud"),
        ("model.created", "fraud/churn"),
        ("version.created", "fraud/churn:1"),
        ("alias.set", "fraud/churn@champion"),
        ("endpoint.created", "fraud/live"),
        ("stage.changed", "fraud/churn:1"),
        ("model.renamed", "fraud/churn-new"),
    ]
    assert found[5].data == {
        "registry": "fraud", "ref": "fraud/churn:1", "before": "none", "after": "production",
    }  # fmt: skip
    for one in found:
        read = JSONFormat().read(CloudEvent, msgspec.json.encode(one.cloud))
        assert (read.get_id(), read.get_type()) == (one.id, f"waypost.{one.type}")
        assert (read.get_subject(), read.get_data(), read.get_time()) == (one.subject, one.data, one.time)
    # A model is chosen with what it was called before.
    told.follow()
    of_model = told.all(wanted=Selected(("stage", "model.renamed"), "fraud/churn-new"))
    assert [one.type for one in of_model] == ["stage.changed", "model.renamed"]
    assert [one.type for one in told.all(wanted=Selected(("alias",), "team:risk"))] == ["alias.set"]
    since = Selected(since=datetime(2999, 1, 1, tzinfo=UTC))
    assert told.all(wanted=since) == []


def test_what_is_hidden_leaves_no_trace(told: ToldFeed) -> None:
    view = View.of([told.ids["fraud"]])
    told.write("fraud", model(CHURN, "churn"))
    told.write("secret", model(OTHER, "other"))
    told.follow()
    seen = told.all(view)
    assert [one.subject for one in seen] == ["fraud", "fraud/churn"]
    newest = told.events.page(view, ANY, NEWEST, 1)
    assert (newest.events, newest.next_after) == ([], seen[-1].id)
    told.write("secret", version(OTHER, "1"))
    told.follow()
    assert told.events.page(view, ANY, newest.next_after, 10) == newest  # nothing moves
    for hidden in ("registry:secret", "registry:nowhere", "secret/other", "secret/nothing", "nowhere/x"):
        with pytest.raises(UnknownError):
            told.events.page(view, Selected(on=hidden), None, 10)
    for nobody in ("team:hidden", "team:nobody"):
        assert told.all(view, Selected(on=nobody)) == []


@pytest.mark.parametrize(
    "wanted", [Selected(("stag",)), Selected(on="fraud/churn:1"), Selected(on="fraud/churn@champion")]
)
def test_what_cannot_be_asked_is_said(told: ToldFeed, wanted: Selected) -> None:
    with pytest.raises(EventQueryError):
        told.events.page(EVERYTHING, wanted, None, 1)
    with pytest.raises(EventQueryError, match="id of an event"):
        told.events.page(EVERYTHING, ANY, "17", 1)


def test_replay_crosses_a_seal_and_nothing_is_sealed_unread(told: ToldFeed) -> None:
    told.write("fraud", model(CHURN, "churn"))
    told.follow()
    before = told.all()
    assert told.recorder.name in FOLLOWING
    with writing(told.engine) as connection:
        size = connection.execute(select(func.max(tables.journal.c.seq))).scalar_one() + 1
        connection.execute(delete(tables.journal).where(tables.journal.c.seq > 0))
        connection.execute(insert(seal).values(size=size, first=0, file="archive", digest=b"", time=now()))
    told.write("fraud", version(CHURN, "1"))
    told.follow()
    assert [one.id for one in told.all()][: len(before)] == [one.id for one in before]
    assert told.all()[-1].type == "version.created"


def test_what_was_not_derived_yet_is_not_sealed(told: ToldFeed) -> None:
    with writing(told.engine) as connection:
        connection.execute(update(tables.head).values(size=100))
        long_ago = now() - timedelta(days=9)
        for size in (32, 64, 96):
            connection.execute(insert(checkpoint).values(size=size, note=b"", time=long_ago))
        assert sealing._end(connection, now()) == 96  # nobody follows
        connection.execute(insert(tables.follower).values(name="events", position=70))
        assert sealing._end(connection, now()) == 64


def test_deriving_twice_is_deriving_once(told: ToldFeed) -> None:
    told.write("fraud", model(CHURN, "churn"), version(CHURN, "1"))
    told.follow()
    once = told.all()
    with writing(told.engine) as connection:
        connection.execute(delete(tables.follower))
    told.follow()
    assert told.all() == once


def test_a_registry_that_is_forgotten_takes_its_events_along(told: ToldFeed) -> None:
    told.write("secret", model(OTHER, "other"))
    told.follow()
    with writing(told.engine) as connection:
        configured.apply(connection, [registry("fraud", "risk")])
        configured.forget(connection, "secret")
    told.follow()
    assert {one.data["registry"] for one in told.all()} == {"fraud"}
