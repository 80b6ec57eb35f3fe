"""Fill MLflow servers with the models of the demo, by MLflow's own client: on their databases, and when they run."""

import hashlib
import json
import logging
import os
import shutil
import sqlite3
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.demo.models import REGISTRIES, DemoModel, DemoPrompt, DemoRegistry

if TYPE_CHECKING:
    from gateway.demo.training import Trained

THREADS_PER_SERVER = 4
LOGGED_MODEL_FRAMEWORK = "sentence_transformers"
"""Versions of this one come from logged models, the others from files of a run: MLflow has both."""
STAND_IN = "(In this demo its files are a stand-in: to load it takes {} and the team's own weights.)"
SERVED = "mlflow-artifacts:/"
"""How the address of a file begins that a server of MLflow's hands out."""
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}
"""Settings of MLflow's client; the second saves two requests a run."""


def prepare(folders: Mapping[str, Path]) -> None:
    """Make the empty database that each server finds in its folder at its first request. Its tables are made once and
    copied: MLflow brings them through all of their history, which takes a second and more.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    blank, *others = [database(folder) for folder in folders.values()]
    for file in (blank, *others):
        file.parent.mkdir(parents=True, exist_ok=True)
    SqlAlchemyStore(f"sqlite:///{blank}", SERVED)
    for place, file in enumerate(others, 1):
        shutil.copyfile(blank, file)
        with closing(sqlite3.connect(file)) as copied, copied:
            # When its first experiment was made tells one server from another.
            copied.execute("UPDATE experiments SET creation_time = creation_time + ?", (place,))


def fill(folders: Mapping[str, Path], progress: Callable[[int, int], None] = lambda done, total: None) -> int:
    """Create the models of the demo that are stand-ins, with MLflow's own client on the databases of servers that may
    yet be starting. `folders` gives the folder of each registry's server, by its name.

    `progress` is told how many versions are done, of how many. Takes about 8 s. Returns how many are done. Errors:
    MLflow's own.
    """
    chosen = [registry for registry in REGISTRIES if registry.name in folders]
    total = sum(registry.versions for registry in chosen)
    with _quiet(), ThreadPoolExecutor(max(1, len(chosen))) as pool:  # SQLite takes one writer at a time
        fillers = [
            Filler(one, f"sqlite:///{database(folders[one.name])}", folders[one.name]) for one in chosen
        ]
        work = [pool.submit(one.add_prompt, prompt) for one in fillers for prompt in one.registry.prompts]
        work += [
            pool.submit(one.add_model, model)
            for models in zip_longest(*(one.stand_ins for one in fillers))
            for one, model in zip(fillers, models, strict=True)
            if model is not None
        ]
        return _count(work, 0, total, progress)


def train(urls: Mapping[str, str], done: int, progress: Callable[[int, int], None]) -> None:
    """Create the other models through running servers, after `fill`: those that are trained, and those that MLflow
    logs. `urls` gives the address of each registry's server. Takes about 8 s. Errors: MLflow's own.
    """
    chosen = [registry for registry in REGISTRIES if registry.name in urls]
    total = sum(registry.versions for registry in chosen)
    with _quiet(), ThreadPoolExecutor(THREADS_PER_SERVER) as pool:
        for registry in chosen:  # MLflow logs to one server at a time
            one = Filler(registry, urls[registry.name])
            one.take_over()
            work = [pool.submit(one.add_model, model) for model in one.logged]
            done = _count(work, done, total, progress)


def database(folder: Path) -> Path:
    """Where a server of the demo has its database, beside its artifacts."""
    return folder / "mlflow.db"


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # MLflow's, about stages: teams still use them
        yield


def _count(work: "Sequence[Future[int]]", done: int, total: int, progress: Callable[[int, int], None]) -> int:
    """Wait for work, and tell how far it is; how many versions are done then."""
    for future in work:
        done += future.result()
        progress(done, total)
    return done


class Filler:
    """Creates models of one registry: through its server, or on its database and in the folder of its artifacts, as
    the server would. Its methods may run side by side.
    """

    def __init__(self, registry: DemoRegistry, uri: str, folder: Path | None = None) -> None:
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        self.registry = registry
        self._datasets = threading.Lock()
        """MLflow refuses a dataset that two calls make known at the same time."""
        self.url = uri
        self.folder = folder
        self.client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        names = sorted({model.experiment for model in registry.models})
        self.experiments = {name: self._experiment(name) for name in names}

    def _experiment(self, name: str) -> str:
        """The id of an experiment, whose artifacts the server hands out."""
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        return str(self.client.create_experiment(name, artifact_location=f"{SERVED}{name}"))

    @property
    def logged(self) -> Sequence[DemoModel]:
        """The models that MLflow logs, real ones and others: a running server is needed for that."""
        return [one for one in self.registry.models if one.recipe or one.framework == LOGGED_MODEL_FRAMEWORK]

    @property
    def stand_ins(self) -> Sequence[DemoModel]:
        """The others."""
        logged = self.logged
        return [one for one in self.registry.models if one not in logged]

    def take_over(self) -> None:
        """Have MLflow log models to this server from here on, whoever asks. What that takes is imported here: MLflow
        hides warnings of its own while it is, which it can in one thread alone.
        """
        import mlflow.pyfunc
        import mlflow.sklearn

        mlflow.set_tracking_uri(self.url)

    def add_model(self, model: DemoModel) -> int:
        """Create a model with all of its versions; returns how many."""
        tags = {"owner": model.owner, "license": model.license, **model.tags}
        stand_in = STAND_IN.format(model.framework)
        about = model.about if model.recipe else f"{model.about} {stand_in}"
        self.client.create_registered_model(model.name, tags=tags, description=about)
        for number, stage in enumerate(model.stages, start=1):
            run_id, source, logged_model = self._train(model, number)
            self.client.create_model_version(
                model.name,
                source,
                run_id=run_id,
                tags=version_tags(model, number),
                description=model.notes.get(
                    number, stand_in if model.recipe and not model.is_real(number) else None
                ),
                await_creation_for=0,
                model_id=logged_model,
            )
            if stage != "None":
                self.client.transition_model_version_stage(model.name, str(number), stage)
        for alias, number in model.aliases.items():
            self.client.set_registered_model_alias(model.name, alias, str(number))
        return len(model.stages)

    def add_prompt(self, prompt: DemoPrompt) -> int:
        """Create a prompt with all of its versions; returns how many."""
        self.client.create_prompt(prompt.name, tags=dict(prompt.tags))
        for template in prompt.templates:
            self.client.create_prompt_version(prompt.name, template)
        for alias, number in prompt.aliases.items():
            self.client.set_prompt_alias(prompt.name, alias, number)
        return len(prompt.templates)

    def _train(self, model: DemoModel, number: int) -> tuple[str, str, str | None]:
        """A run as training leaves it behind: (run id, source of the version, logged model or None)."""
        from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

        commit = hashlib.sha1(f"{model.experiment} {number}".encode(), usedforsecurity=False).hexdigest()
        tags = {
            "mlflow.source.git.commit": commit,
            "mlflow.source.git.repoURL": self.registry.repository,
            "mlflow.source.name": f"pipelines/{model.experiment}/{model.name}.py",
            "mlflow.user": model.owner,
        }
        name = f"{model.name}-{number}"
        run = self.client.create_run(self.experiments[model.experiment], tags=tags, run_name=name)
        trained = self._training.train(model, number) if model.is_real(number) else None
        figures = (
            trained.metrics if trained else {key: each[number - 1] for key, each in model.metrics.items()}
        )
        metrics = [Metric(key, value, 0, 0) for key, value in figures.items()]
        params = [Param(key, value) for key, value in model.params.items()]
        self.client.log_batch(run.info.run_id, metrics, params)
        inputs = [
            DatasetInput(
                Dataset(each.name, each.digest, "external", json.dumps({"uri": each.uri}), schema="{}"),
                [InputTag("mlflow.data.context", "training")],
            )
            for each in model.datasets
        ]
        with self._datasets:
            self.client.log_inputs(run.info.run_id, inputs)
        logged_model = self._log(model, run) if trained is None else self._log_trained(trained, run)
        self.client.set_terminated(run.info.run_id)
        if logged_model is not None:
            return run.info.run_id, f"models:/{logged_model}", logged_model
        return run.info.run_id, f"{run.info.artifact_uri}/model", None

    @cached_property
    def _training(self) -> Any:
        """How models are trained: with scikit-learn, which takes a second to import."""
        from gateway.demo import training

        return training

    def _log_trained(self, trained: "Trained", run: Any) -> str:
        """Log a model that was trained, as anybody does with MLflow 3; the id of the logged model."""
        import mlflow

        signature = mlflow.models.infer_signature(trained.shown, trained.said)
        told: dict[str, Any] = {
            "name": "model",
            "signature": signature,
            "pip_requirements": self._training.requirements(),
        }
        with mlflow.start_run(run_id=run.info.run_id):
            if trained.estimator is None:
                with tempfile.TemporaryDirectory() as folder:
                    file = Path(folder, "alike.py")
                    file.write_text(self._training.CODE)
                    shown = trained.shown.head(1)
                    made = mlflow.pyfunc.log_model(python_model=str(file), input_example=shown, **told)
            else:
                made = mlflow.sklearn.log_model(trained.estimator, **told)
        return str(made.model_id)

    def _log(self, model: DemoModel, run: Any) -> str | None:
        """Put the `MLmodel` file where this kind of model has it; the id of the logged model, if it is one."""
        from mlflow.entities import LoggedModelOutput
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "MLmodel")
            file.write_text(mlmodel(model))
            if model.framework != LOGGED_MODEL_FRAMEWORK:
                uri = run.info.artifact_uri
                if self.folder is not None:
                    uri = str(self.folder / "artifacts" / uri.removeprefix(SERVED))
                repository = get_artifact_repository(uri, tracking_uri=self.url)
                repository.log_artifact(str(file), "model")
                return None
            logged = self.client.create_logged_model(
                run.info.experiment_id,
                name=model.name,
                source_run_id=run.info.run_id,
                model_type=model.framework,
            )
            self.client.log_model_artifacts(logged.model_id, folder)
        self.client.log_outputs(run.info.run_id, [LoggedModelOutput(logged.model_id, step=0)])
        self.client.finalize_logged_model(logged.model_id, "READY")
        return str(logged.model_id)


def version_tags(model: DemoModel, number: int) -> dict[str, str]:
    """The tags of a version, `depends_on` and its parents among them."""
    dependencies = {"depends_on": model.depends_on[number]} if number in model.depends_on else {}
    return {"framework": model.framework, **dependencies, **model.made_from.get(number, {})}


def mlmodel(model: DemoModel) -> str:
    """An `MLmodel` file with the signature; JSON is YAML."""
    signature = {"inputs": json.dumps(columns(model.inputs)), "outputs": json.dumps(columns(model.outputs))}
    flavours = {
        model.framework: {"version": "1"},
        "python_function": {"loader_module": f"mlflow.{model.framework}"},
    }
    return json.dumps({"flavors": flavours, "signature": signature}, indent=1)


def columns(types: Mapping[str, str]) -> list[dict[str, Any]]:
    """The columns of a signature as MLflow writes them."""
    return [column(name, of) for name, of in types.items()]


def column(name: str, of: str) -> dict[str, Any]:
    """One column: `tensor:float32:-1,384`, `array<string>`, `map<double>`, or a plain type."""
    if of.startswith("tensor:"):
        _, dtype, shape = of.split(":")
        return {
            "name": name,
            "type": "tensor",
            "tensor-spec": {"dtype": dtype, "shape": [int(n) for n in shape.split(",")]},
        }
    if of.startswith("array<"):
        return {"name": name, "type": "array", "items": {"type": of[6:-1]}, "required": True}
    if of.startswith("map<"):
        return {"name": name, "type": "map", "values": {"type": of[4:-1]}, "required": True}
    return {"name": name, "type": of, "required": True}
