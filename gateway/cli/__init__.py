"""`waypost`, the command line. Every data command asks the gateway by the seam in `gateway.cli.client`."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from gateway.cli.completion import ASKED, prepare
from gateway.cli.failure import INTERRUPTED, OK, USAGE, report, silence_broken_pipe
from gateway.cli.invocation import Invocation, command_of, hoist, remember
from gateway.start import starting

__all__ = ["application", "run"]
EVERYWHERE = (
    "--config, --url and --json are taken by every command, anywhere on the line. "
    "Data goes to standard output, messages to standard error. "
    "Exit codes: 0 fine, 1 the answer is no, 2 wrong usage or input, 3 gateway or backend not reached."
)
FIND, CHANGE, PROVE, RUN = "Find and understand", "Change", "Prove", "Run a gateway"
PROMOTE = "Bring to production"


class Command(NamedTuple):
    """Where a command, or an application of several, stands. `module` is imported where it is asked for."""

    name: str
    module: str
    attribute: str
    panel: str
    hidden: bool = False
    cls: str = ""
    """Its class, where it is one of its own."""


COMMANDS = (
    Command("search", "search", "search", FIND, cls="SearchCommand"),
    Command("searches", "searches", "app", FIND),
    Command("similar", "search", "similar", FIND),
    Command("show", "models", "show", FIND),
    Command("validate", "validation", "validate", FIND),
    Command("diff", "models", "diff", FIND),
    Command("comments", "comments", "comments", FIND),
    Command("timeline", "models", "timeline", FIND),
    Command("production", "history", "production", FIND),
    Command("watch", "events", "watch", FIND),
    Command("changes", "events", "changes", FIND),
    Command("inbox", "events", "inbox", FIND),
    Command("deps", "graph", "deps", FIND),
    Command("impact", "graph", "impact", FIND),
    Command("set", "operations", "set_", CHANGE),
    Command("register", "operations", "register", CHANGE),
    Command("delete", "operations", "delete", CHANGE),
    Command("bulk", "bulk", "bulk", CHANGE),
    Command("deprecate", "graph", "deprecate", CHANGE),
    Command("operations", "operations", "operations", CHANGE),
    Command("plan", "promotions", "plan", PROMOTE),
    Command("promote", "promotions", "promote", PROMOTE),
    Command("approve", "promotions", "approve", PROMOTE),
    Command("attest", "promotions", "attest", PROMOTE),
    Command("reject", "promotions", "reject", PROMOTE),
    Command("rollback", "promotions", "rollback", PROMOTE),
    Command("emergency", "promotions", "emergency", PROMOTE),
    Command("promotions", "promotions", "promotions", PROMOTE),
    Command("rollouts", "promotions", "rollouts", PROMOTE),
    Command("policies", "promotions", "policies", PROMOTE),
    Command("retention", "retention", "app", PROMOTE),
    Command("team", "team", "team", FIND),
    Command("insights", "insights", "insights", FIND),
    Command("bom", "insights", "bom", FIND),
    Command("sync", "sync", "sync", RUN),
    Command("demo", "setup", "demo", RUN),
    Command("init", "setup", "init", RUN),
    Command("serve", "setup", "serve", RUN),
    Command("migrate", "setup", "migrate", RUN),
    Command("backup", "backup", "backup", RUN),
    Command("restore", "backup", "restore", RUN),
    Command("doctor", "doctor", "doctor", RUN),
    Command("whoami", "access", "whoami", RUN),
    Command("dependencies", "insights", "dependencies", CHANGE),
    Command("registries", "registries", "app", RUN),
    Command("hooks", "hooks", "app", RUN),
    Command("adapters", "adapters", "app", RUN),
    Command("audit", "audit", "app", PROVE),
    Command("token", "access", "tokens", RUN),
    Command("tokens", "access", "tokens", RUN, hidden=True),
    Command("grants", "access", "grants", RUN),
    Command("webhooks", "webhooks", "app", RUN),
    Command("principals", "principals", "principals", RUN),
    Command("sessions", "principals", "sessions", RUN),
)


def application(only: str = "") -> typer.Typer:
    """The application with all its commands, or with the one of that name alone where there is one."""
    app = typer.Typer(
        name="waypost",
        help="Find, understand and change models across every registry.",
        epilog=EVERYWHERE,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(root)
    for one in [command for command in COMMANDS if command.name == only] or COMMANDS:
        module = import_module(f"gateway.cli.{one.module}")
        found = getattr(module, one.attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=one.name, rich_help_panel=one.panel, hidden=one.hidden)
        else:
            app.command(
                one.name, rich_help_panel=one.panel, cls=getattr(module, one.cls) if one.cls else None
            )(found)
    return app


def show_version(asked: bool) -> None:
    """Print the version and end, when asked."""
    if asked:
        from importlib.metadata import PackageNotFoundError, version

        try:
            sys.stdout.write(f"waypost {version('waypost')}\n")
        except PackageNotFoundError:
            sys.stdout.write("waypost, not installed\n")
        raise typer.Exit


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
        if ASKED in os.environ:
            prepare(os.environ)
        hoisted = hoist(words)
        remember(hoisted)
        with starting():
            app = application(command_of(hoisted))
        code = app(args=hoisted, prog_name="waypost", standalone_mode=False)
        sys.stdout.flush()
    except (typer.Abort, KeyboardInterrupt):
        sys.stderr.write("\n")
        return INTERRUPTED
    except BrokenPipeError:
        silence_broken_pipe()
        return OK
    except SystemExit as error:  # how Click ends where the reader of our output has gone
        if not isinstance(error.__context__, BrokenPipeError):
            raise
        silence_broken_pipe()
        return OK
    except typer.TyperException as error:
        return _usage(error)
    except Exception as error:
        return report(error)
    return code if isinstance(code, int) else OK


def _usage(error: typer.TyperException) -> int:
    from gateway.plain import plain

    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        return USAGE
    path = context.command_path if context else "waypost"
    said, colon, message = error.format_message().partition(": ")
    sys.stderr.write(f"{path}: {said}{colon}{plain(message)}\n")
    if context:
        sys.stderr.write(f"`{path} --help` shows how it is used\n")
    return USAGE
