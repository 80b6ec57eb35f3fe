"""What a database is to everything else: an engine whose connections can all be given up."""

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest

from federation.database import UnwritableError, open_engine, writing


def test_a_connection_in_use_when_the_pool_was_disposed_of_is_closed(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'waypost.db'}")
    connection = engine.connect()
    driver: Any = connection.connection.driver_connection
    engine.dispose()
    connection.close()
    with pytest.raises(Exception, match="closed"):
        driver.execute("SELECT 1")
    engine.dispose()


class Cycle:
    """What a failure may leave: it goes by collection alone, and with it whatever it holds."""

    def __init__(self) -> None:
        self.itself = self


def test_what_a_refused_attempt_has_left_open_goes_before_the_next(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'waypost.db'}")
    gc.disable()
    try:
        with pytest.raises(UnwritableError), writing(engine):
            left = weakref.ref(Cycle())
            raise UnwritableError("this disk takes nothing")
        assert left() is not None
        with writing(engine):
            assert left() is None
    finally:
        gc.enable()
        engine.dispose()
