"""Every mistake in a configuration is one clear line, and exit code 2."""

from pathlib import Path

import pytest

from gateway.cli import run

REGISTRY = '[[registries]]\nname = "fraud"\nkind = "mlflow"\nteam = "risk"\n'
MLFLOW = 'config = { url = "http://127.0.0.1:5000" }\n'
SECRET = "a-password-nobody-may-see"
MISTAKES = {
    "an unknown section": ("[servr]\nport = 1\n", "servr: did you mean server?"),
    "an unknown key": ("[server]\nprot = 1\n", "server.prot: did you mean port?"),
    "a value of the wrong type": ('[server]\nport = "many"\n', "server.port"),
    "no TOML": ("[server\n", "is not TOML"),
    "an unknown key of an adapter": (
        f'{REGISTRY}config = {{ url = "http://127.0.0.1:5000", adress = "x" }}\n',
        "registry fraud: config.adress",
    ),
    "a URL that is none": (
        f'{REGISTRY}config = {{ url = "127.0.0.1:5000" }}\n',
        "registry fraud: config.url",
    ),
    "a file URL": (
        f'{REGISTRY}config = {{ url = "file:///etc/passwd" }}\n',
        "must be an http:// or https://",
    ),
    "a URL with credentials": (
        f'{REGISTRY}config = {{ url = "http://joe:{SECRET}@127.0.0.1" }}\n',
        "must not hold credentials",
    ),
    "no URL": (f"{REGISTRY}config = {{}}\n", "registry fraud: config.url"),
    "a missing secret": (
        f'{REGISTRY}config = {{ url = "http://127.0.0.1:5000", token = "env:NOT_SET_ANYWHERE" }}\n',
        "NOT_SET_ANYWHERE",
    ),
    "a missing secret file": (
        f'{REGISTRY}config = {{ url = "http://127.0.0.1:5000", token = "file:/nowhere/token" }}\n',
        "/nowhere/token",
    ),
    "a secret in the file itself": (
        f'{REGISTRY}config = {{ url = "http://127.0.0.1:5000", token = "{SECRET}" }}\n',
        "env:",
    ),
    "two registries with one name": (
        REGISTRY + MLFLOW + REGISTRY + MLFLOW,
        "two registries are called fraud",
    ),
    "an unknown kind": (REGISTRY.replace("mlflow", "mlfow") + MLFLOW, "mlfow"),
    "a registry name that no reference can hold": (REGISTRY.replace("fraud", "a/b") + MLFLOW, "a/b"),
    "a stage rule that is none": (
        REGISTRY + 'stages = { production = ["best"] }\n' + MLFLOW,
        "registry fraud",
    ),
    "an open bind without authentication": (
        '[server]\nhost = "0.0.0.0"\n',
        'auth.mode = "local" gives everybody',
    ),
    "a database of another kind": ('[database]\nurl = "mysql://root@127.0.0.1/x"\n', "mysql"),
    "a database URL that is none": (f'[database]\nurl = "{SECRET}"\n', "database.url"),
    "a database in a folder that is not there": (
        '[database]\nurl = "sqlite:////nowhere/at/all/waypost.db"\n',
        "/nowhere/at/all",
    ),
    "an unwritable database": ('[database]\nurl = "sqlite:////proc/waypost.db"\n', "right to write"),
    "a database secret that is missing": ('[database]\nurl = "env:NOT_SET_ANYWHERE"\n', "NOT_SET_ANYWHERE"),
    "a public address with a path": (
        '[server]\npublic_url = "https://tools.example/waypost/"\n',
        "server.public_url: must have no path",
    ),
    "a public address that is none": (
        '[server]\npublic_url = "waypost.example"\n',
        "server.public_url: must be an http:// or https:// address",
    ),
    "a public address with a password": (
        f'[server]\npublic_url = "https://joe:{SECRET}@waypost.example"\n',
        "server.public_url: must hold no credentials",
    ),
    "a plugin folder that is not there": ('plugins = "nowhere"\n', "the folder nowhere does not exist"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_clear_line(
    mistake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, told = MISTAKES[mistake]
    file = tmp_path / "waypost.toml"
    file.write_text(text)
    assert run(["serve", "--config", str(file)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1, said.err
    assert told in said.err
    assert SECRET not in said.err
    assert "Traceback" not in said.err


def test_a_file_that_is_not_there_names_the_way_to_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(tmp_path / "waypost.toml")
    assert run(["serve", "--config", file]) == 2
    assert f"`waypost init --config {file}` writes one" in capsys.readouterr().err
