"""MLflow's harness for the conformance suite: a real server, changed through MLflow's own client."""

import contextlib
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar
from weakref import WeakSet

from pydantic import SecretStr

from adapters.conformance import HOSTILE_NAMES, Fault, Harness
from adapters.contract import Adapter, StageField
from adapters.mlflow import MlflowAdapter, MlflowConfig
from tests.adapters.mlflow.proxy import FaultyProxy

TOKEN = "token-of-the-fraud-registry"
PATIENT = 30.0


def client(url: str) -> Any:
    """MLflow's own client."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        return MlflowClient(tracking_uri=url, registry_uri=url)


class MlflowHarness(Harness):
    adapter_type: ClassVar[type[Adapter]] = MlflowAdapter
    hostile_names: ClassVar[tuple[str, ...]] = tuple(n for n in HOSTILE_NAMES if not {"/", ":"} & set(n))
    stages: ClassVar[Mapping[StageField, tuple[str, str]]] = {"stage": ("Staging", "Production")}
    secrets = (TOKEN,)

    def __init__(self, url: str) -> None:
        self.proxy = FaultyProxy(url)
        self.client = client(url)
        self.made: WeakSet[MlflowAdapter] = WeakSet()
        self.begin()

    def begin(self) -> None:
        """Make the run that every version comes from, on a server that has none."""
        self.run = self.client.create_run("0")

    def adapter(self) -> Adapter:
        return self._made(MlflowConfig(url=self.proxy.url, token=SecretStr(TOKEN)))

    def paged(self) -> Adapter:
        config = MlflowConfig(url=self.proxy.url, token=SecretStr(TOKEN), model_page=2, version_page=2)
        return self._made(config)

    def _made(self, config: MlflowConfig) -> Adapter:
        made = MlflowAdapter(config)
        made._api.http._sleep = lambda seconds: None
        if self.proxy.fault is Fault.SILENT:
            hurry(made)
        self.made.add(made)
        return made

    def put(self, model: str) -> str:
        with contextlib.suppress(Exception):
            self.client.create_registered_model(model)
        run = self.run.info
        source = f"{run.artifact_uri}/nothing-there"
        made = self.client.create_model_version(model, source, run_id=run.run_id, await_creation_for=0)
        return str(made.version)

    def drop(self, model: str, version: str | None = None) -> None:
        with contextlib.suppress(Exception):
            if version is None:
                self.client.delete_registered_model(model)
            else:
                self.client.delete_model_version(model, version)

    @contextlib.contextmanager
    def fail_with(self, fault: Fault) -> Iterator[None]:
        if fault is Fault.SILENT:
            for adapter in self.made:
                hurry(adapter)
        with self.proxy.fail_with(fault):
            yield
        for adapter in self.made:
            hurry(adapter, PATIENT)

    def put_model(self, model: str) -> None:
        self.client.create_registered_model(model)

    def tag(self, model: str, version: str | None, key: str, value: str) -> None:
        if version is None:
            self.client.set_registered_model_tag(model, key, value)
        else:
            self.client.set_model_version_tag(model, version, key, value)

    def alias(self, model: str, alias: str, version: str | None) -> None:
        if version is None:
            self.client.delete_registered_model_alias(model, alias)
        else:
            self.client.set_registered_model_alias(model, alias, version)

    def stage(self, model: str, version: str, field: StageField, value: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            self.client.transition_model_version_stage(model, version, value)

    def spoil(self, model: str, version: str) -> None:
        self.proxy.spoiled.add((model, version))

    def requests(self) -> int:
        return len(self.proxy.requests)

    @contextlib.contextmanager
    def meanwhile(self, change: Callable[[], None]) -> Iterator[None]:
        self.proxy.listed = change
        try:
            yield
        finally:
            self.proxy.listed = lambda: None

    @contextlib.contextmanager
    def torn(self) -> Iterator[None]:
        self.proxy.is_torn = True
        try:
            yield
        finally:
            self.proxy.is_torn = False

    def close(self) -> None:
        self.proxy.close()


def hurry(adapter: MlflowAdapter, timeout: float = 0.2) -> None:
    """Wait a moment only for a server that says nothing."""
    adapter._api.http.endpoint = replace(adapter._api.http.endpoint, timeout=timeout)


@contextlib.contextmanager
def running(url: str) -> Iterator[MlflowHarness]:
    """A harness for as long as the context lasts."""
    made = MlflowHarness(url)
    try:
        yield made
    finally:
        made.close()
