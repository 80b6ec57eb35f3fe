"""The demo's teams in two clouds: emulators that the vendors' own clients fill, and what they depend on."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from federation.programs import program
from gateway.demo.servers import Server, reserved_port, server


@dataclass(frozen=True, slots=True)
class DemoCloud:
    """One team's registry in a cloud. `config` is its table in `waypost.toml`; {port} is the emulator's."""

    name: str
    team: str
    kind: str
    config: str

    def table(self, port: int, sync_every: int) -> str:
        """Its part of `waypost.toml`."""
        return table(self.name, self.kind, self.team, self.config.format(port=port), sync_every)


def table(name: str, kind: str, team: str, config: str, sync_every: int) -> str:
    """The part of `waypost.toml` with a registry that may be written to."""
    return (
        f'[[registries]]\nname = "{name}"\nkind = "{kind}"\nteam = "{team}"\n'
        f"sync_every = {sync_every}\nwritable = true\nconfig = {{ {config} }}\n"
    )


CLOUDS = (
    DemoCloud(
        "ranking",
        "ranking",
        "sagemaker",
        'region = "eu-west-1", endpoint_url = "http://127.0.0.1:{port}", access_key_id = "env:DEMO_AWS_KEY", '
        'secret_access_key = "env:DEMO_AWS_SECRET"',
    ),
    DemoCloud(
        "storefront",
        "storefront",
        "vertex",
        'project = "demo", location = "us-central1", endpoint = "127.0.0.1:{port}", sweep_every = 30',
    ),
)
CREDENTIALS = {"DEMO_AWS_KEY": "AKIDEMO", "DEMO_AWS_SECRET": "nobody-checks-this-one"}
"""What the gateway finds in its environment; an emulator takes any key."""
DECLARED: tuple[Mapping[str, str], ...] = (
    {
        "consumer": "storefront/search-blend:7",
        "provider": "ranking/ranker:5",
        "kind": "depends_on",
        "note": "Vertex AI has no place for it: labels hold no reference",
    },
)


@contextmanager
def cloud_server(cloud: DemoCloud, folder: Path) -> Iterator[Server]:
    """The emulator of a cloud, which prints its address when its team's models are in it: wait for that."""
    log = folder / f"{cloud.name}.log"
    with reserved_port() as port:
        command = program(f"adapters.emulators.{cloud.kind}", "--port", str(port), "--demo")

        def ready() -> bool:
            return f"127.0.0.1:{port}\n" in log.read_text(errors="replace")

        with server(
            cloud.kind, command, port=port, log=log, ready=ready, patience=120.0, wait=False
        ) as running:
            yield running
