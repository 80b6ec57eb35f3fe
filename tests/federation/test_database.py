"""What a database is to everything else: an engine whose connections can all be given up."""

from pathlib import Path
from typing import Any

import pytest

from federation.database import open_engine


def test_a_connection_in_use_when_the_pool_was_disposed_of_is_closed(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'waypost.db'}")
    connection = engine.connect()
    driver: Any = connection.connection.driver_connection
    engine.dispose()
    connection.close()
    with pytest.raises(Exception, match="closed"):
        driver.execute("SELECT 1")
    engine.dispose()
