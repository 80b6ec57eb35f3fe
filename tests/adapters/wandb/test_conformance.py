"""The wandb adapter passes the suite against an organisation on a real socket."""

from adapters.conformance import Conformance
from adapters.emulators.wandb.harness import WandbHarness


class TestWandb(Conformance, harness=WandbHarness):
    """GraphQL, links as versions, aliases of collections."""
