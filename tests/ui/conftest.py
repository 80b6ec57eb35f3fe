"""One gateway over the models of the demo, and one browser, for all tests of the pages."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext

from federation.access import LOCAL
from federation.database import writing
from federation.identity import tokens
from federation.identity.tokens import TokenSpec
from tests.gateway.served import Served, served
from tests.patience import until
from tests.ui.browser import Visit, browser, chromium, visit, window

PLUGINS = Path(__file__).with_name("plugins")
REGISTRY = """
[[registries]]
name = "{name}"
kind = "shop"
team = "{team}"
sync_every = 0
writable = true
{stages}config = {{ registry = "{name}", folder = "{folder}" }}
"""
STAGES = {
    "search": 'stages = {production = ["alias:champion", "alias:stable"], staging = ["stage:Staging"]}\n'
}
"""A registry whose production is a matter of aliases can be rolled back."""
TEAMS = {"fraud": "risk", "search": "discovery", "hostile": "<i>mallory</i>"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All in one process, which has one gateway and one browser; nothing at all where there is no browser."""
    missing = pytest.mark.skip(
        reason="no browser is installed: `make test-ui` installs Chromium and runs these"
    )
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("ui"))
            if chromium() is None:
                item.add_marker(missing)


GUARDED = """
[auth]
mode = "token"

[[policies]]
name = "encoders"
on = "search/encoder"
approvals = [{ count = 1, from = ["role:approver"] }]
"""
"""One to which people come with tokens, and where one of them does not bring a version to production alone."""


@contextmanager
def open_shop(folder: Path, config: str = "", teams: Mapping[str, str] = TEAMS) -> Iterator[Served]:
    """A gateway that has read its registries. Its folder holds a folder for each."""
    for name, team in teams.items():
        (folder / name).mkdir()
        config += REGISTRY.format(name=name, team=team, folder=folder / name, stages=STAGES.get(name, ""))
    with served(folder, config=config, plugins=PLUGINS) as gateway:
        if config.startswith(GUARDED):
            gateway.client.headers["Authorization"] = f"Bearer {token_of(gateway, 'operator', 'operator')}"
        runs = [gateway.client.post(f"/registries/{name}/sync").json()["id"] for name in teams]
        until(
            lambda: all(gateway.client.get(f"/syncs/{run}").json()["state"] == "ok" for run in runs),
            "the registries are read",
        )
        until(lambda: gateway.client.get("/search?q=encoder").json()["total"] > 0, "the index has them")
        yield gateway


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The one that all tests share: each leaves it as it was."""
    with open_shop(tmp_path_factory.mktemp("shop")) as gateway:
        yield gateway


@pytest.fixture
def own_shop(tmp_path: Path) -> Iterator[Served]:
    """One for a test that leaves in it what cannot be taken back, such as a promotion."""
    with open_shop(tmp_path) as gateway:
        yield gateway


@pytest.fixture
def guarded_shop(tmp_path: Path) -> Iterator[Served]:
    """One of several people; `token_of` lets somebody in."""
    with open_shop(tmp_path, GUARDED) as gateway:
        yield gateway


def token_of(gateway: Served, name: str, role: str) -> str:
    """The token of a person who has a role on everything."""
    with writing(gateway.engine) as connection:
        return tokens.create(
            connection, TokenSpec(name, life=timedelta(days=1), roles=((role, "*"),)), LOCAL
        )[1]


@pytest.fixture(scope="session")
def shop_folder(shop: Served, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the files of its registries lie."""
    return next(tmp_path_factory.getbasetemp().glob("shop*"))


@pytest.fixture(scope="session")
def chrome() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.fixture(scope="session")
def screen(chrome: Browser) -> Iterator[BrowserContext]:
    """One window for all tests: scripts and styles are loaded once."""
    with window(chrome) as opened:
        yield opened


@pytest.fixture(scope="session")
def tab(screen: BrowserContext, shop: Served) -> Iterator[Visit]:
    """One page in that window: another takes half a second of processor time."""
    with visit(screen, shop.url) as made:
        yield made


@pytest.fixture
def seen(tab: Visit) -> Iterator[Visit]:
    """That page as a new one is: 1440 pixels wide, light, empty. In the end nothing went wrong there."""
    tab.begin()
    yield tab
    tab.leave()
    assert tab.wrong == []


@pytest.fixture
def seen_alone(screen: BrowserContext, own_shop: Served) -> Iterator[Visit]:
    """A page of that one."""
    with visit(screen, own_shop.url) as made:
        yield made
        assert made.wrong == []


@pytest.fixture
def seen_guarded(screen: BrowserContext, guarded_shop: Served) -> Iterator[Visit]:
    """A page of the one of several people, before anybody has signed in."""
    with visit(screen, guarded_shop.url) as made:
        yield made
        assert made.wrong == []


@pytest.fixture(scope="session")
def plain(chrome: Browser, shop: Served) -> Iterator[Visit]:
    """A page on which no script runs."""
    with window(chrome, scripts=False) as opened, visit(opened, shop.url, scripts=False) as made:
        yield made
