"""`waypost`, the command line. Every data command speaks the HTTP API (see `gateway.cli.client`)."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli import (
    access,
    adapters,
    audit,
    doctor,
    graph,
    history,
    insights,
    models,
    operations,
    principals,
    registries,
    search,
    setup,
    sync,
)
from gateway.cli.failure import INTERRUPTED, OK, USAGE, report, silence_broken_pipe
from gateway.cli.invocation import Invocation, hoist

__all__ = ["app", "run"]
EVERYWHERE = (
    "--config, --url and --json are taken by every command, anywhere on the line. "
    "Data goes to standard output, messages to standard error. "
    "Exit codes: 0 fine, 1 the answer is no, 2 wrong usage or input, 3 gateway or backend not reached."
)
FIND, CHANGE, PROVE, RUN = "Find and understand", "Change", "Prove", "Run a gateway"

app = typer.Typer(
    name="waypost",
    help="Find, understand and change models across every registry.",
    epilog=EVERYWHERE,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("search", rich_help_panel=FIND, cls=search.SearchCommand)(search.search)
for name, command, panel in (
    ("show", models.show, FIND),
    ("diff", models.diff, FIND),
    ("timeline", models.timeline, FIND),
    ("production", history.production, FIND),
    ("deps", graph.deps, FIND),
    ("impact", graph.impact, FIND),
    ("set", operations.set_, CHANGE),
    ("register", operations.register, CHANGE),
    ("delete", operations.delete, CHANGE),
    ("operations", operations.operations, CHANGE),
    ("insights", insights.insights, FIND),
    ("bom", insights.bom, FIND),
    ("sync", sync.sync, RUN),
    ("demo", setup.demo, RUN),
    ("init", setup.init, RUN),
    ("serve", setup.serve, RUN),
    ("migrate", setup.migrate, RUN),
    ("doctor", doctor.doctor, RUN),
):
    app.command(name, rich_help_panel=panel)(command)
app.add_typer(insights.dependencies, name="dependencies", rich_help_panel=CHANGE)
app.add_typer(registries.app, name="registries", rich_help_panel=RUN)
app.add_typer(adapters.app, name="adapters", rich_help_panel=RUN)
app.add_typer(audit.app, name="audit", rich_help_panel=PROVE)
app.add_typer(access.tokens, name="token", rich_help_panel=RUN)
app.add_typer(access.tokens, name="tokens", hidden=True)
app.add_typer(access.grants, name="grants", rich_help_panel=RUN)
app.add_typer(principals.principals, name="principals", rich_help_panel=RUN)
app.add_typer(principals.sessions, name="sessions", rich_help_panel=RUN)
app.command("whoami", rich_help_panel=RUN)(access.whoami)


def show_version(asked: bool) -> None:
    """Print the version and end, when asked."""
    if asked:
        from importlib.metadata import PackageNotFoundError, version

        try:
            sys.stdout.write(f"waypost {version('waypost')}\n")
        except PackageNotFoundError:
            sys.stdout.write("waypost, not installed\n")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="configuration file; else WAYPOST_CONFIG, else ./waypost.toml")
    ] = None,
    url: Annotated[
        str, typer.Option(help="address of a running gateway; else WAYPOST_URL, else the configured database")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="print JSON, as the HTTP API answers")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="print the version", callback=show_version, is_eager=True)
    ] = False,
) -> None:
    """Find, understand and change models across every registry."""
    context.obj = Invocation.of(config, url, json)


def run(words: Sequence[str]) -> int:
    """Run one command; returns the exit code. No stack trace reaches the user."""
    try:
        code = app(args=hoist(words), prog_name="waypost", standalone_mode=False)
        sys.stdout.flush()
    except (typer.Abort, KeyboardInterrupt):
        sys.stderr.write("\n")
        return INTERRUPTED
    except BrokenPipeError:
        silence_broken_pipe()
        return OK
    except typer.TyperException as error:
        return _usage(error)
    except Exception as error:
        return report(error)
    return code if isinstance(code, int) else OK


def _usage(error: typer.TyperException) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        return USAGE
    path = context.command_path if context else "waypost"
    sys.stderr.write(f"{path}: {error.format_message()}\n")
    if context:
        sys.stderr.write(f"`{path} --help` shows how it is used\n")
    return USAGE
