"""What takes in writes goes on, whatever goes wrong while it does."""

import errno

from federation.access import LOCAL
from federation.operations.asking import Asking, RequestedChange
from federation.operations.batching import IntentBatcher
from federation.operations.intent import Asker, digest_of
from federation.operations.wanted import SetAlias
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
