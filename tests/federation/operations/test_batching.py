"""What takes in writes goes on, whatever goes wrong while it does."""

import errno
import threading
from dataclasses import replace
from functools import partial

from sqlalchemy import Connection

from federation.access import LOCAL, Principal
from federation.errors import UnknownError
from federation.operations.admission import WriteTargets
from federation.operations.asking import Asking, RequestedChange
from federation.operations.batching import IntentBatcher
from federation.operations.intent import Asker, Steps, digest_of
from federation.operations.wanted import SetAlias, SetTags
from federation.references import Reference
from tests.federation.operations.world import OperationsWorld


def test_an_intent_is_taken_in_though_nobody_could_be_woken_for_the_one_before(
    world: OperationsWorld,
) -> None:
    def wake() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    intents = IntentBatcher(world.sync.engine, world.sync.adapters, wrote=wake)
    ask = RequestedChange(Reference("memory", "m"), SetAlias("blue", "2"))
    try:
        for key in ("one", "two", "three"):
            asker = Asker("local", key, digest_of(key))
            answer = intents.submit(
                lambda connection, places: Asking(connection, LOCAL, places).intents(ask), asker
            )
            assert answer.result(timeout=60).operation.state == "queued"
    finally:
        intents.close()


def test_nobody_waits_for_ever_for_what_breaks_on_the_way(world: OperationsWorld) -> None:
    intents = IntentBatcher(world.sync.engine, world.sync.adapters)
    ask = RequestedChange(Reference("memory", "m"), SetAlias("blue", "2"))
    intents.adapters = None  # type: ignore[assignment]
    try:
        asker = Asker("local", "one", digest_of("one"))
        broken = intents.submit(
            lambda connection, places: Asking(connection, LOCAL, places).intents(ask), asker
        )
        assert broken.exception(timeout=60) is not None
        intents.adapters = world.sync.adapters
        well = intents.submit(
            lambda connection, places: Asking(connection, LOCAL, places).intents(ask), asker
        )
        assert well.result(timeout=60).operation.state == "queued"
    finally:
        intents.close()


def test_what_several_ask_for_at_once_is_read_together_each_as_they_see_it(world: OperationsWorld) -> None:
    intents = IntentBatcher(world.sync.engine, world.sync.adapters)
    blind = replace(LOCAL, id="blind", grants={})
    asked = [
        (who, RequestedChange(Reference("memory", "m", number), SetTags({"by": who.id})))
        for who in (LOCAL, blind)
        for number in ("1", "2")
    ]
    known: list[set[Reference]] = []
    ready = threading.Event()

    def held(connection: Connection, places: WriteTargets) -> Steps:
        assert ready.wait(60)
        raise UnknownError()

    def look(who: Principal, change: RequestedChange, connection: Connection, places: WriteTargets) -> Steps:
        known.append({reference for view, reference in places.versions if view == who.view})
        return Asking(connection, who, places).intents(change)

    try:
        first = intents.submit(held, Asker("local", "held", digest_of("held")))
        answers = [
            intents.submit(
                partial(look, who, change),
                Asker(who.id, str(number), digest_of(number)),
                (who.view, change.reference),
            )
            for number, (who, change) in enumerate(asked)
        ]
        ready.set()
        assert isinstance(first.exception(timeout=60), UnknownError)
        assert [one.result(timeout=60).operation.ref for one in answers[:2]] == ["memory/m:1", "memory/m:2"]
        assert all(isinstance(one.exception(timeout=60), UnknownError) for one in answers[2:])
    finally:
        ready.set()
        intents.close()
    both = {change.reference for _, change in asked}
    assert known == [both, both, set(), set()]
