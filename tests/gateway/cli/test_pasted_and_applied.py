"""What is printed to be pasted; and what the file says before it is applied."""

from pathlib import Path

import pytest

from gateway.cli import run
from gateway.demo.servers import Server
from tests.adapters.mlflow.harness import client as mlflow_client

TOLD = "the file says something new of fraud: it counts from `waypost registries apply` on"


@pytest.fixture
def file(tmp_path: Path, mlflow_server: Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration of this folder: an MLflow registry with one version, read already."""
    monkeypatch.chdir(tmp_path)
    client = mlflow_client(mlflow_server.url)
    client.create_registered_model("card-fraud")
    client.create_model_version("card-fraud", "s3://models/card-fraud/1")
    assert run(["init", "--mlflow", mlflow_server.url, "--name", "fraud", "--team", "risk"]) == 0
    assert run(["sync"]) == 0
    return tmp_path / "waypost.toml"


def test_a_snippet_is_printed_as_it_is_pasted(
    file: Path, mlflow_server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run(["show", "fraud/card-fraud:1", "--snippets"]) == 0
    python, _, _ = capsys.readouterr().out.partition("# Download")
    assert python.splitlines() == [
        "# Load in Python", "import mlflow", "", f"mlflow.set_tracking_uri({mlflow_server.url!r})",
        "model = mlflow.pyfunc.load_model('models:/card-fraud/1')", "",
    ]  # fmt: skip


def test_what_the_file_says_since_is_told_until_it_is_applied(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*words: str) -> tuple[bool, str]:
        code, said = run([*words]), capsys.readouterr()
        return code == 0, said.out + said.err

    writing = ("set", "fraud/card-fraud:1", "--alias", "champion")
    assert TOLD not in capsys.readouterr().err
    done, said = told(*writing)
    assert (done, TOLD in said) == (False, False)
    assert "writable = true in the file and runs `waypost registries apply`" in said
    file.write_text(file.read_text().replace('kind = "mlflow"', 'kind = "mlflow"\nwritable = true'))
    done, said = told(*writing)
    assert (done, TOLD in said) == (False, True)
    assert told("registries", "apply") == (True, "fraud: changed writable\n")
    done, said = told(*writing)
    assert (done, TOLD in said) == (True, False), said
