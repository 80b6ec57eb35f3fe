"""What a read costs the database that all gateways share: nothing where index or graph have the answer."""

from pathlib import Path
from typing import Any

import psycopg
import pytest

from federation.database import open_engine
from tests.federation.graph.chain import build
from tests.federation.graph.estate import Estate
from tests.gateway.access.gate import gate
from tests.servers import blank
from tests.servers.postgres import Postgres

READS = {
    "/api/v1/search?q=encoder": 0,
    "/api/v1/impact/texts/encoder:3?action=archive": 0,
    "/api/v1/versions/texts/encoder:3": 1,
}
TIMES = 20


def test_warm_reads_ask_the_shared_database_little_or_nothing(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = blank.postgresql(postgres)
    engine = open_engine(postgres.url(name))
    build(Estate(tmp_path, engine))
    said: list[str] = []
    execute: Any = psycopg.Cursor.execute

    def noted(self: Any, query: Any, *args: Any, **more: Any) -> Any:
        said.append(str(query))
        return execute(self, query, *args, **more)

    folder = tmp_path / "gateway"
    folder.mkdir()
    with gate(folder, config=f'[database]\nurl = "{postgres.url(name)}"\n') as asked:
        monkeypatch.setattr(psycopg.Cursor, "execute", noted)
        for path, most in READS.items():
            for _ in range(3):
                assert asked.ask("GET", path).status_code == 200, path
            said.clear()
            for _ in range(TIMES):
                asked.ask("GET", path)
            assert len(said) <= most * TIMES, (path, said)
    engine.dispose()
    postgres.drop(name)
