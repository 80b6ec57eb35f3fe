"""The example configuration is one that works."""

import re
from pathlib import Path

import pytest

from federation.registries import opening
from gateway.settings import RegistrySettings, Settings, load_settings
from gateway.waypost import Waypost

EXAMPLE = Path(__file__).parents[2] / "config" / "waypost.example.toml"


def test_the_example_is_read_and_each_registry_fits_its_adapter(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in re.findall(r'"env:(\w+)"', EXAMPLE.read_text()):
        monkeypatch.setenv(name, "t0ken")
    settings = load_settings(EXAMPLE, {})
    adapters = Waypost(Settings()).adapters
    for registry in settings.registries:
        opening.check(registry.spec(), adapters)
    assert {registry.kind for registry in settings.registries} >= {"mlflow", "rest", "sagemaker", "vertex"}


def test_it_shows_every_section_and_what_is_commented_out_works_as_well(tmp_path: Path) -> None:
    text = EXAMPLE.read_text()
    every = tmp_path / "waypost.toml"
    every.write_text(text.replace("# [redis]", "[redis]").replace("# [auth.oidc]", "[auth.oidc]"))
    load_settings(every, {})
    missing = [name for name in Settings.model_fields if f"[{name}" not in text and name != "plugins"]
    assert missing == []
    shown = {line.split(" = ")[0].removeprefix("# ") for line in text.splitlines()}
    assert set(RegistrySettings.model_fields) - shown == {"full_every", "former_names"}
