"""`waypost adapters`: what this installation can speak to, and the kit for a new kind of backend."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.failure import NO, OK, CommandError
from gateway.cli.invocation import Invocation
from gateway.cli.screen import as_json, counted, emit_json, emit_line, emit_table, say

if TYPE_CHECKING:
    from adapters import Adapter, Discovered
    from adapters.conformance import Harness, Result

app = typer.Typer(help="What this installation speaks to, and the kit for a new kind.", no_args_is_help=True)
Plugins = Annotated[
    Path | None, typer.Option(help="folder of single-file adapters; else the configuration's `plugins`")
]
Kind = Annotated[str, typer.Argument(help="the kind of backend, or a configured registry")]
SHOWN = {"passed": "ok", "failed": "FAIL", "closed": "FAIL", "gap": "gap", "not applicable": "-"}
"""How outcomes are printed."""
MOST_NAMED = 10
"""Failed checks that the last lines name."""
SAMPLE = ("waypost-trace-one", "waypost-trace-two")


@app.command("list")
def list_adapters(context: typer.Context, plugins: Plugins = None) -> int:
    """Every kind of backend, where its adapter comes from and what it can write. Exit code 1 when one is broken."""
    rows = list(_rows(_discovered(context.obj, plugins)))
    if not as_json(context.obj, rows):
        shown = [(row["kind"], row["state"], ", ".join(row["capabilities"]), row["source"]) for row in rows]
        emit_table(("KIND", "STATE", "WRITES", "FROM"), shown)
        for row in rows:
            if row["error"]:
                say(row["error"])
    return NO if any(row["error"] for row in rows) else OK


def _rows(found: "Discovered") -> Iterator[dict[str, Any]]:
    from adapters import BrokenPluginError

    for kind in found.kinds:
        row: dict[str, Any] = {"kind": kind, "source": found.plugins[kind].source}
        try:
            adapter = found.get(kind)
        except BrokenPluginError as error:
            yield {**row, "state": "broken", "contract": None, "capabilities": [], "error": str(error)}
            continue
        writes = sorted(capability.value for capability in adapter.capabilities)
        yield {**row, "state": "ok", "contract": adapter.contract, "capabilities": writes, "error": None}
    for source, reason in found.refused.items():
        line = f"{source}: {reason}"
        yield {
            "kind": "",
            "source": source,
            "state": "refused",
            "contract": None,
            "capabilities": [],
            "error": line,
        }


@app.command()
def new(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="the new kind: lower-case letters, digits and _")],
    single_file: Annotated[
        bool, typer.Option("--single-file", help="one file for the plugin folder instead of a package")
    ] = False,
    incremental: Annotated[
        bool,
        typer.Option("--incremental", help="for a backend that can tell what changed since the last scan"),
    ] = False,
    output: Annotated[
        Path | None, typer.Option(help="folder to write into; else ./waypost-NAME, or . for a single file")
    ] = None,
) -> None:
    """Write a new adapter that passes its conformance tests as it is, against a fake that comes with it."""
    from adapters.scaffold import GUIDE, ScaffoldError, distribution, write
    from adapters.scaffold import new as package
    from adapters.scaffold import new_single_file as file

    if single_file and incremental:
        raise CommandError("--incremental writes a package: leave --single-file out")
    try:
        contents = file(name) if single_file else package(name, incremental=incremental)
        folder = output or Path("." if single_file else distribution(name))
        written = write(contents, folder)
    except ScaffoldError as error:
        raise CommandError(str(error)) from None
    if as_json(context.obj, {"kind": name, "files": [str(path) for path in written]}):
        return
    for path in written:
        emit_line(str(path))
    if single_file:
        say(f'next: `waypost adapters check {name} --plugins {folder}`; `plugins = "{folder}"` at the top of')
        say("waypost.toml makes it a kind of registry")
    else:
        say(f"next: cd {folder}, install it beside Waypost with `pip install -e '.[dev]'`, run `pytest`, and")
        say(f"`waypost adapters check {name}`; then replace the fake's API by your backend's")
    say(f"the guide: {GUIDE}")


@app.command()
def check(
    context: typer.Context,
    name: Kind,
    live: Annotated[
        bool, typer.Option("--live", help="only look, at the configured backend; needs a configuration file")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option(help="only the check of this name; may be repeated")
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="print only the checks that failed")] = False,
    plugins: Plugins = None,
) -> int:
    """Run the conformance suite: each check, what it proves, why it failed. Exit code 1 when one fails."""
    from adapters.conformance.run import named, run

    invocation: Invocation = context.obj
    try:
        named(only or ())
    except ValueError as error:
        raise CommandError(str(error)) from None
    opened = _live(invocation, name) if live else _harnessed(invocation, name, plugins)
    results = []
    with opened as harness:
        for result in chain(run(harness, only or ()), _understood(harness, live=live and not only)):
            results.append(result)
            if not invocation.json and not (failed and result.ok):
                _show(result)
    if invocation.json:
        emit_json([asdict(result) for result in results])
    counts = Counter(SHOWN[result.outcome] for result in results)
    say(
        f"{name}: {counted(counts['ok'], 'check')} passed, {counts['FAIL']} failed, "
        f"{counted(counts['gap'], 'known gap')}, {counts['-']} not applicable"
    )
    wrong = [result.name for result in results if not result.ok]
    if wrong and not failed:
        more = f" and {len(wrong) - MOST_NAMED} more" if len(wrong) > MOST_NAMED else ""
        say(f"failed: {', '.join(wrong[:MOST_NAMED])}{more}; `--failed` prints these alone")
    if counts["-"]:
        applied = len(results) - counts["-"]
        others = "" if failed else ": each other says behind `because` what it needs"
        more = "; without --live more of them run, against the adapter's own test backend" if live else ""
        say(f"{applied} of {len(results)} checks applied ({applied * 100 // len(results)} %){others}{more}")
    return OK if all(result.ok for result in results) else NO


def _understood(harness: "Harness", *, live: bool) -> "Iterator[Result]":
    """Of a backend that is really there: whether anything of it is understood at all."""
    if live:
        from adapters import AdapterError
        from adapters.conformance.live import understood
        from federation.catalogue.catalogue import check_record

        adapter = harness.adapter()
        try:
            yield understood(adapter, check_record)
        except AdapterError as error:
            raise CommandError(str(error)) from None
        finally:
            adapter.close()


def _show(result: "Result") -> None:
    seconds = f"  ({result.seconds:.2f} s)" if result.seconds >= 0.1 else ""
    emit_line(f"{SHOWN[result.outcome]:<4}  {result.name}{seconds}")
    if result.proves:
        emit_line(f"      {result.proves}")
    if result.detail:
        said = (
            "why"
            if result.outcome in ("failed", "closed")
            else "known"
            if result.outcome == "gap"
            else "because"
        )
        emit_line(f"      {said}: {result.detail}")


@app.command()
def trace(
    context: typer.Context,
    name: Kind,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="records a page")] = 1000,
    plugins: Plugins = None,
) -> None:
    """Print every request of one scan with its time, without queries and credentials.

    A configured registry of that name or kind is scanned; where there is none, the adapter's own test backend.
    """
    from adapters import AdapterError
    from adapters.conformance.live import in_itself
    from adapters.conformance.trace import trace as traced
    from federation.catalogue.catalogue import check_record

    with _scanned(context.obj, name, plugins) as (adapter, secrets):
        try:
            found = traced(adapter, check_record, secrets, limit)
        except AdapterError:
            raise
        except Exception as error:
            raise CommandError(f"the scan {in_itself(error)}", NO) from error
    if as_json(context.obj, asdict(found)):
        return
    rows = [
        (one.page or "probe", one.method, one.path, one.status or "no answer", f"{one.seconds * 1000:.1f} ms")
        for one in found.requests
    ]
    emit_table(("PAGE", "METHOD", "PATH", "STATUS", "TIME"), rows)
    total = sum(one.seconds for one in found.requests)
    say(
        f"{counted(len(found.requests), 'request')} in {total:.2f} s: {counted(found.records, 'record')} on "
        f"{counted(found.pages, 'page')}, {found.bad} not understood"
    )


@contextmanager
def _scanned(
    invocation: Invocation, name: str, plugins: Path | None
) -> "Iterator[tuple[Adapter, tuple[str, ...]]]":
    from adapters.conformance.live import secrets_of

    spec = _configured(invocation, name)
    if spec is not None:
        adapter, config = _open(invocation, spec)
        say(f"registry {spec.name}:")
        try:
            yield adapter, secrets_of(config)
        finally:
            adapter.close()
        return
    with _harnessed(invocation, name, plugins) as harness:
        for model in SAMPLE:
            harness.put(model)
        adapter = harness.adapter()
        say(f"no registry is {name} or of that kind: this is {type(harness).__name__}'s test backend")
        try:
            yield adapter, harness.secrets
        finally:
            adapter.close()


@contextmanager
def _harnessed(invocation: Invocation, kind: str, plugins: Path | None) -> "Iterator[Harness]":
    from adapters import BrokenPluginError
    from adapters.conformance.find import NoHarnessError, find_harness

    try:
        harness = find_harness(kind, _discovered(invocation, plugins).get(kind))()
    except (BrokenPluginError, NoHarnessError) as error:
        raise CommandError(str(error)) from None
    except TypeError as error:
        raise CommandError(f"the harness of {kind} needs what only its own tests give it: {error}") from None
    try:
        yield harness
    finally:
        harness.close()


@contextmanager
def _live(invocation: Invocation, name: str) -> "Iterator[Harness]":
    from adapters.conformance.live import live

    spec = _configured(invocation, name, required=True)
    first, config = _open(invocation, spec)
    first.close()
    say(f"registry {spec.name}: nothing is written, nothing is provoked")
    yield live(lambda: _open(invocation, spec)[0], config)


def _open(invocation: Invocation, spec: Any) -> tuple["Adapter", Any]:
    """An adapter on a configured registry, and its configuration with the secrets resolved."""
    from federation.registries.registries import opened

    return opened(spec, _discovered(invocation, None))


def _configured(invocation: Invocation, name: str, *, required: bool = False) -> Any:
    """The registry of that name, else the first of that kind, else None. Errors: `CommandError` where required."""
    from gateway.settings import load_settings, settings_file

    path = settings_file(invocation.config)
    if not required and invocation.config is None and not path.is_file():
        return None
    specs = [one.spec() for one in load_settings(path).registries]
    found = [spec for spec in specs if spec.name == name] or [spec for spec in specs if spec.kind == name]
    if not found and required:
        known = ", ".join(f"{spec.name} ({spec.kind})" for spec in specs) or "none"
        raise CommandError(f"{path} has no registry that is {name} or of that kind: it has {known}")
    return found[0] if found else None


def _discovered(invocation: Invocation, plugins: Path | None) -> "Discovered":
    from adapters import discover
    from gateway.settings import load_settings, settings_file

    path = settings_file(invocation.config)
    if plugins is None and (invocation.config is not None or path.is_file()):
        plugins = load_settings(path).plugins
    if plugins is not None and not plugins.is_dir():
        raise CommandError(f"--plugins: the folder {plugins} does not exist")
    return discover(plugins)
