"""`waypost init`, `serve`, `migrate`: from an MLflow address to a running gateway."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.characters import inert
from gateway.cli.client import only_here
from gateway.cli.failure import OK, CommandError
from gateway.cli.screen import as_json, ask, confirmed, emit_json, emit_line, say

DEFAULT_ADDRESS, DEFAULT_NAME, DEFAULT_TEAM = "http://127.0.0.1:5000", "models", "everybody"
FILE = """\
# Waypost's configuration. Every setting, with what it means: config/waypost.example.toml in the repository.
[server]
host = "127.0.0.1"
port = 8080

[database]
url = "sqlite:///waypost.db"

[[registries]]
name = {name}
kind = "mlflow"
team = {team}
config = {{ {config} }}
"""


def init(
    context: typer.Context,
    mlflow: Annotated[str, typer.Option(help="address of an MLflow server; asked for when not given")] = "",
    name: Annotated[str, typer.Option(help="what to call it: the first part of every reference")] = "",
    team: Annotated[str, typer.Option(help="the team that owns it")] = "",
    token: Annotated[
        str, typer.Option(help="where its bearer token is: env:NAME or file:PATH, never the token itself")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="ask nothing: defaults, and overwrite the file")] = False,
) -> int:
    """Write a working configuration for one MLflow server, after asking that server who it is."""
    invocation = only_here(context.obj, "init writes a file here; the server's address is --mlflow")
    from gateway.settings import settings_file

    file = settings_file(invocation.config)
    asks = sys.stdin.isatty() and not yes
    if file.exists() and not yes:
        if not asks:
            raise CommandError(f"{file} exists: --yes overwrites it, --config names another")
        if not confirmed(f"{file} exists. Overwrite it?"):
            raise CommandError(f"{file} was left as it is")
    mlflow = mlflow or _ask("Address of your MLflow server", DEFAULT_ADDRESS, asks)
    name = name or _ask("What to call it", DEFAULT_NAME, asks)
    team = team or _ask("The team that owns it", DEFAULT_TEAM, asks)
    code = _probe(name, team, mlflow, token)
    if code != OK and not (asks and confirmed("Write the file anyway?")):
        raise CommandError("nothing was written", code)
    _write(file, name, team, mlflow, token)
    if invocation.json:
        emit_json({"file": str(file), "registry": name, "answered": code == OK})
        return OK
    emit_line(f"wrote {file}")
    option = "" if file == Path("waypost.toml") else f" --config {file}"
    say(f"next: waypost sync{option}   then: waypost search{option}   or as a service: waypost serve{option}")
    return OK


def _ask(question: str, default: str, asks: bool) -> str:
    return ask(question, default) if asks else default


def _probe(name: str, team: str, address: str, token: str) -> int:
    """The exit code: 0 where the server answers. What it says, or why not, is told. Errors: `RegistryError`."""
    from federation.registries.registries import RegistrySpec
    from gateway.cli.registries import probe_spec
    from gateway.settings import Settings
    from gateway.waypost import Waypost

    spec = RegistrySpec(name=name, kind="mlflow", team=team, config=_config(address, token))
    waypost = Waypost(Settings())
    waypost.registries.check(spec)
    found = probe_spec(waypost, spec)
    if found["error"]:
        say(found["error"].replace("the registry's `url`", "`--mlflow`").replace("`url`", "`--mlflow`"))
        return int(found["code"])
    say(f"MLflow {found['version'] or ''} answers at {address}")
    for line in found["missing"]:
        say(f"missing there: {line}")
    return OK


def _config(address: str, token: str) -> dict[str, str]:
    return {"url": address, **({"token": token} if token else {})}


def _write(file: Path, name: str, team: str, address: str, token: str) -> None:
    config = ", ".join(f"{key} = {_toml(value)}" for key, value in _config(address, token).items())
    file.write_text(FILE.format(name=_toml(name), team=_toml(team), config=config), encoding="utf-8")


def _toml(text: str) -> str:
    """A TOML basic string: JSON's escapes are TOML's, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def serve(context: typer.Context) -> int:
    """Run the gateway: the worker, and the processes that answer the API. Ctrl-C ends it."""
    only_here(context.obj, "serve starts a gateway here, from the configuration")
    from gateway.logs import configure_logs

    try:
        from gateway.processes import ListenError
        from gateway.processes import serve as run
    except ModuleNotFoundError as error:
        needed = str(error.name).partition(".")[0]
        raise CommandError(f"serving needs {needed}: pip install 'waypost[serve]'") from None
    from gateway.settings import load_settings, settings_file

    file = settings_file(context.obj.config)
    settings = load_settings(file)
    configure_logs(settings.log)

    def announce(address: str) -> None:
        sys.stdout.write(f"Waypost answers at {inert(address)}\n")
        sys.stdout.flush()

    try:
        return run(settings, file, announce, say)
    except ListenError as error:
        raise CommandError(str(error)) from None


def migrate(context: typer.Context) -> None:
    """Bring the database to the schema of this version."""
    invocation = only_here(context.obj, "the database is migrated where its configuration is")
    from federation import schema
    from gateway.cli.local import configured

    waypost = configured(invocation)
    try:
        before, after = schema.migrate(waypost.engine)
    finally:
        waypost.close()
    if not as_json(invocation, {"before": before, "after": after}):
        emit_line(f"schema {after}" if before == after else f"schema {before or 'none'} → {after}")


def demo() -> int:
    """A gateway before a shop's registries, until Ctrl-C: MLflow, two clouds' emulators, a share, git, images.

    It starts two MLflow servers with the models of two teams, emulators of SageMaker and Vertex AI, a share with files,
    a git repository and, where Debian's docker-registry is installed, a registry of images, all on this machine and in
    a folder that goes with them; then one gateway in front of them, whose address it prints.
    """
    from gateway.demo.run import run_demo

    return run_demo()
