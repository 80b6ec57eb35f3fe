"""A repository on a path, and adapters on it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from adapters.emulators.git.repository import GitRepository
from adapters.emulators.git.server import GitServer
from adapters.git import GitAdapter, GitConfig

Open = Callable[..., GitAdapter]


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    return GitRepository(tmp_path / "models.git")


@pytest.fixture
def opened(repository: GitRepository) -> Iterator[Open]:
    """Makes adapters on the repository: on its path, or `url`."""
    with ExitStack() as stack:

        def make(**config: Any) -> GitAdapter:
            return stack.enter_context(
                closing(GitAdapter(GitConfig(**{"url": str(repository.path), **config})))
            )

        yield make


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with closing(GitServer(tmp_path)) as made:
        yield made
