"""What config/deploy starts is this version: its settings load, its images are of it, its unit is read; and what it
watches is there: alerts and dashboard name metrics that a gateway has.
"""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.api import health
from gateway.api.requests import PUBLIC, routes_in
from gateway.settings import load_settings
from tests.gateway.access.gate import gate

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "config" / "deploy"


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def test_the_settings_load_and_take_their_secrets_from_what_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(DEPLOY / "waypost.toml")
    text = (DEPLOY / "waypost.toml").read_text()
    [compose] = documents("compose.yaml")
    given = set(compose["services"]["waypost"]["environment"])
    assert set(re.findall(r"env:(\w+)", text)) == given == {"WAYPOST_DATABASE", "WAYPOST_REDIS"}
    home = Path("/var/lib/waypost")
    assert {path.parent for path in (settings.search.path, settings.audit.key, settings.audit.archive)} == {
        home
    }


def test_every_image_is_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for path in sorted(DEPLOY.rglob("*")):
        if path.is_file():
            assert set(re.findall(r"\bwaypost:(\d[\w.]*)", path.read_text())) <= {version}, path


def test_what_is_copied_into_the_image_is_there_and_is_all_that_the_wheel_needs() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Containerfile").read_text(), re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    needed = {*build["targets"]["wheel"]["packages"], build["targets"]["wheel"]["hooks"]["custom"]["path"]}
    assert needed <= names
    assert all((ROOT / name).exists() for name in names)


def test_probes_ask_what_a_gateway_answers_everybody() -> None:
    [gateways] = [one for one in documents("kubernetes/waypost.yaml") if one["kind"] == "StatefulSet"]
    [container] = gateways["spec"]["template"]["spec"]["containers"]
    probes = ("startupProbe", "livenessProbe", "readinessProbe")
    asked = {container[probe]["httpGet"]["path"] for probe in probes}
    asked |= set(re.findall(r"127\.0\.0\.1:8080(/[\w/]+)", (DEPLOY / "Containerfile").read_text()))
    public = {path for one in routes_in(health) for path in one.paths if one.opt.items() >= PUBLIC.items()}
    assert asked == public == {"/health/live", "/health/ready"}


def test_systemd_reads_the_unit_and_finds_it_contained(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    unit = tmp_path / "waypost.service"
    here = str(Path(sys.executable).with_name("waypost"))
    unit.write_text((DEPLOY / "waypost.service").read_text().replace("/opt/waypost/bin/waypost", here))
    for command in (("verify",), ("security", "--offline=true", "--threshold=20")):
        done = subprocess.run(
            ["systemd-analyze", *command, str(unit)], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert str(unit.name) not in done.stderr, done.stderr


def expressions() -> dict[str, str]:
    """What alerts and dashboard ask, by their names; a dashboard's variables have a value."""
    [rules] = documents("prometheus/alerts.yaml")
    found = {rule["alert"]: rule["expr"] for group in rules["groups"] for rule in group["rules"]}
    board = json.loads((DEPLOY / "grafana" / "waypost.json").read_text())
    for panel in board["panels"]:
        for target in panel["targets"]:
            asked = target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")
            found[f"panel_{panel['id']}_{target['refId']}"] = asked
    return found


def test_alerts_and_dashboard_ask_for_metrics_that_a_gateway_has(tmp_path: Path) -> None:
    with gate(tmp_path, config="", teams=[("fraud", "risk")]) as gateway:
        gateway.ask("GET", "/api/v1/registries")
        told = gateway.ask("GET", "/metrics").text
    there = set(re.findall(r"^# TYPE (\w+)", told, re.MULTILINE)) | set(
        re.findall(r"^(\w+)", told, re.MULTILINE)
    )
    asked = {name for text in expressions().values() for name in re.findall(r"\bwaypost_\w+", text)}
    assert len(asked) > 10
    assert asked - there == set()


def test_every_alert_is_explained() -> None:
    page = (ROOT / "config" / "docs" / "alerts.md").read_text()
    alerts = {name for name in expressions() if not name.startswith("panel")}
    assert set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE)) == alerts


def test_prometheus_reads_what_is_asked_and_each_alert_comes(tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    asked = [{"record": name.lower(), "expr": text} for name, text in expressions().items()]
    (tmp_path / "asked.yaml").write_text(json.dumps({"groups": [{"name": "asked", "rules": asked}]}))
    tried = DEPLOY / "prometheus" / "alerts.test.yaml"
    for command in (("check", "rules", str(tmp_path / "asked.yaml")), ("test", "rules", str(tried))):
        done = subprocess.run(["promtool", *command], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    [tests] = documents("prometheus/alerts.test.yaml")[0:1]
    coming = {one["alertname"] for test in tests["tests"] for one in test["alert_rule_test"]}
    assert coming == {name for name in expressions() if not name.startswith("panel")}
