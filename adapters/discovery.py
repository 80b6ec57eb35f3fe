"""Which adapters there are: the entry points of group `waypost.adapters`, and single files in a plugin folder.

A plugin is loaded when its kind is first asked for, so one that is broken or heavy costs nobody else anything.
"""

import importlib.util
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path

from adapters.contract import CONTRACT_VERSION, Adapter

GROUP = "waypost.adapters"
FILE_NAME = re.compile(r"^[a-z][a-z0-9_]*\.py$")


class BrokenPluginError(Exception):
    """A plugin cannot be used. The message names it, where it comes from, and why."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """A kind of backend and where its adapter comes from."""

    kind: str
    source: str
    load: Callable[[], object]


@dataclass(slots=True)
class Discovered:
    """The adapters of this installation, by kind."""

    plugins: dict[str, Plugin]
    refused: dict[str, str] = field(default_factory=dict)
    """Plugins that are not offered at all, by source, with the reason."""
    _loaded: dict[str, type[Adapter]] = field(default_factory=dict)

    @property
    def kinds(self) -> list[str]:
        """Every kind that is offered, sorted; loading one may still fail."""
        return sorted(self.plugins)

    def get(self, kind: str) -> type[Adapter]:
        """The adapter class of a kind. Errors: `BrokenPluginError`, in one line, for an unknown kind too."""
        if kind not in self._loaded:
            plugin = self.plugins.get(kind)
            if plugin is None:
                raise BrokenPluginError(
                    f"no adapter for kind {kind!r}: this installation has {', '.join(self.kinds) or 'none'}"
                )
            self._loaded[kind] = load(plugin)
        return self._loaded[kind]


def discover(folder: Path | None = None) -> Discovered:
    """Find every plugin without loading any. A kind that two plugins claim is refused for both."""
    claims: dict[str, list[Plugin]] = {}
    for plugin in [*_entry_points(), *_files(folder)]:
        claims.setdefault(plugin.kind, []).append(plugin)
    refused = {
        plugin.source: f"kind {kind!r} is claimed by {len(plugins)} plugins: uninstall or rename all but one"
        for kind, plugins in claims.items()
        if len(plugins) > 1
        for plugin in plugins
    }
    return Discovered({kind: plugins[0] for kind, plugins in claims.items() if len(plugins) == 1}, refused)


def load(plugin: Plugin) -> type[Adapter]:
    """Import a plugin and check it. Whatever it raises becomes one `BrokenPluginError` line."""
    try:
        adapter = plugin.load()
    except Exception as error:
        raise BrokenPluginError(
            f"adapter {plugin.kind} ({plugin.source}) does not load: {type(error).__name__}: {error}"
        ) from error
    if not (isinstance(adapter, type) and issubclass(adapter, Adapter)):
        raise BrokenPluginError(
            f"adapter {plugin.kind} ({plugin.source}) is not a subclass of adapters.Adapter"
        )
    if adapter.contract != CONTRACT_VERSION:
        raise BrokenPluginError(
            f"adapter {plugin.kind} ({plugin.source}) was built for contract {adapter.contract}, "
            f"this Waypost speaks {CONTRACT_VERSION}: install a matching release of the plugin"
        )
    if getattr(adapter, "kind", None) != plugin.kind:
        raise BrokenPluginError(
            f"adapter {plugin.kind} ({plugin.source}) names another kind: make both the same"
        )
    return adapter


def _entry_points() -> Iterable[Plugin]:
    owners: dict[object, str] = {}
    for point in entry_points(group=GROUP):
        if point.dist not in owners:  # its name stands in a file with the whole description of the package
            owners[point.dist] = point.dist.name if point.dist else "unknown distribution"
        yield Plugin(point.name, f"{owners[point.dist]}, {point.value}", point.load)


def _files(folder: Path | None) -> Iterable[Plugin]:
    if folder is None:
        return
    for path in sorted(folder.iterdir()):
        if FILE_NAME.match(path.name):
            yield Plugin(path.stem, str(path), lambda path=path: _load_file(path))  # type: ignore[misc]


def _load_file(path: Path) -> object:
    name = f"waypost_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Adapter) and value.__module__ == name
    ]
    if len(found) != 1:
        raise ImportError(f"{path} must define exactly one Adapter subclass, it defines {len(found)}")
    return found[0]
