"""Writes config/REFERENCE.md from the code: settings, commands, search fields, capabilities, errors, journal actions.

`make docs` (`python -m tests.reference`) writes the page; `tests/test_documented.py` fails when it is out of date or
when something that stands in it says nothing about itself.
"""

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
from pydantic import BaseModel

from adapters import Adapter, Capability
from federation.events.events import TYPES, example
from federation.journal.actions import Action
from federation.search.fields import FIELDS
from gateway.sections import table_in
from tests.parts import lines as health_lines

PAGE = Path(__file__).parent.parent / "config" / "REFERENCE.md"
_PACKAGES = ("adapters", "federation", "gateway")


@dataclass(frozen=True)
class DocumentedEntry:
    """Something that is documented: its name and what it says about itself."""

    name: str
    meaning: str


def settings() -> list[DocumentedEntry]:
    """Every key of the configuration file, as `[section] key`."""
    if find_spec("gateway.settings") is None:
        return []
    return list(_fields(importlib.import_module("gateway.settings").Settings, ""))


def kinds() -> list[DocumentedEntry]:
    """What each kind of registry takes for a stage by default, may write, and shows to full scans only."""
    return [DocumentedEntry(name, _of_kind(adapter)) for name, adapter in _adapters().items()]


def registry_settings() -> list[DocumentedEntry]:
    """Every key of `config`, by kind of registry."""
    return [
        entry for name, adapter in _adapters().items() for entry in _fields(adapter.config_type, f"{name}.")
    ]


def commands() -> list[DocumentedEntry]:
    """Every command and option of the command line."""
    if find_spec("gateway.cli") is None:
        return []
    import typer

    app = importlib.import_module("gateway.cli").application()
    return list(_commands(typer.main.get_command(app), "waypost"))


def capabilities() -> list[DocumentedEntry]:
    """What an adapter may declare; the docstring stands under each member."""
    tree = ast.parse(inspect.getsource(Capability)).body[0]
    assert isinstance(tree, ast.ClassDef)
    pairs = zip(tree.body, tree.body[1:], strict=False)
    said = {
        ast.unparse(member.targets[0]): ast.literal_eval(text.value)
        for member, text in pairs
        if isinstance(member, ast.Assign) and isinstance(text, ast.Expr)
    }
    return [DocumentedEntry(member.value, said.get(member.name, "")) for member in Capability]


def errors() -> list[DocumentedEntry]:
    """Every public error type of the three packages."""
    found = {}
    for module in _modules():
        for name, value in vars(module).items():
            is_error = isinstance(value, type) and issubclass(value, Exception) and not name.startswith("_")
            if is_error and value.__module__ == module.__name__:
                found[f"{module.__name__}.{name}"] = vars(value).get("__doc__") or ""
    return [DocumentedEntry(name, found[name]) for name in sorted(found)]


def actions() -> list[DocumentedEntry]:
    """Everything the journal records."""
    return [DocumentedEntry(action.value, action.meaning) for action in Action]


def search_fields() -> list[DocumentedEntry]:
    """Every qualifier of the search language."""
    return [
        DocumentedEntry(field.written, f"{field.meaning}{' (a facet)' * field.facet}") for field in FIELDS
    ]


def events() -> list[DocumentedEntry]:
    """Every type of event, with an example of what it says."""
    shown = {name: msgspec.json.encode(example(kind)).decode() for name, kind in TYPES.items()}
    return [DocumentedEntry(name, f"{kind.__doc__} `{shown[name]}`") for name, kind in TYPES.items()]


SECTIONS = {
    "Settings": settings,
    "Kinds of registry": kinds,
    "Settings of a registry": registry_settings,
    "Commands": commands,
    "Fields of the search language": search_fields,
    "Capabilities of an adapter": capabilities,
    "Errors": errors,
    "Journal actions": actions,
    "Events": events,
}


def page() -> str:
    """The whole page."""
    parts = ["# Reference", "", "Written from the code by `make docs`; change it there."]
    for title, entries in SECTIONS.items():
        lines = [f"- `{entry.name}`: {' '.join(entry.meaning.split())}" for entry in entries()]
        if lines:
            parts += ["", f"## {title}", "", *lines]
    told = "Each part is broken by a test, which looks at all four places; strangers read what `/health/ready` says."
    parts += ["", "## Health: what is told when a part fails", "", told, "", *health_lines()]
    return "\n".join(parts) + "\n"


def _adapters() -> dict[str, type[Adapter]]:
    found = {}
    for one in sorted(entry_points(group="waypost.adapters"), key=lambda one: one.name):
        module = importlib.import_module(one.module) if find_spec(one.module) else None
        if hasattr(module, one.attr):
            found[one.name] = one.load()
    return found


def _of_kind(adapter: type[Adapter]) -> str:
    stages = (f"{stage} by {', '.join(rules)}" for stage, rules in adapter.stage_rules.items())
    told = [f"{'; '.join(stages)}"] if adapter.stage_rules else ["no stages by default"]
    told += [f"writes {', '.join(sorted(one.value for one in adapter.capabilities)) or 'nothing'}"]
    quiet: frozenset[str] = getattr(adapter, "full_scan_only", frozenset())
    told += [f"full scans alone see changes of {', '.join(sorted(quiet))}"] if quiet else []
    return ". ".join(f"{one[0].upper()}{one[1:]}" for one in told) + "."


def _fields(model: type[BaseModel], prefix: str) -> Iterator[DocumentedEntry]:
    for name, field in model.model_fields.items():
        inner = table_in(field.annotation)
        if inner is not None:
            yield from _fields(inner, f"{prefix}{field.alias or name}.")
        else:
            yield DocumentedEntry(f"{prefix}{field.alias or name}", field.description or "")


def _commands(command: Any, path: str) -> Iterator[DocumentedEntry]:
    children = getattr(command, "commands", {})
    if not children:
        yield DocumentedEntry(path, command.help or "")
    for option in command.params:
        if option.param_type_name == "option" and not option.hidden:
            yield DocumentedEntry(f"{path} {option.opts[0]}", option.help or "")
    for name in sorted(children):
        yield from _commands(children[name], f"{path} {name}")


def _modules() -> Iterator[Any]:
    for package in _PACKAGES:
        for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            parts = found.name.split(".")
            if not {"emulators", "__main__", "guard", "env", "versions", "scaffold"} & set(parts):
                yield importlib.import_module(found.name)


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page())
