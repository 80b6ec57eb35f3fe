"""The list of actions is what the journal writes, no more."""

import ast
from collections.abc import Iterator
from pathlib import Path

import federation
import gateway
from federation.journal import actions
from federation.journal.entry import Action


def written() -> Iterator[str]:
    """The members of `Action` that code uses other than to compare with them."""
    for package in (federation, gateway):
        (folder,) = package.__path__
        for path in Path(folder).rglob("*.py"):
            if path != Path(actions.__file__):
                tree = ast.parse(path.read_text())
                compared = {
                    id(each)
                    for node in ast.walk(tree)
                    if isinstance(node, ast.Compare)
                    for each in ast.walk(node)
                }
                yield from (
                    node.attr
                    for node in ast.walk(tree)
                    if isinstance(node, ast.Attribute) and id(node) not in compared
                    if isinstance(node.value, ast.Name) and node.value.id == "Action"
                )


def test_every_documented_action_is_written_somewhere() -> None:
    assert sorted(set(Action.__members__) - set(written())) == []
