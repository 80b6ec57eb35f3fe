"""MLflow's REST API, as much of it as the adapter uses. Answers are MLflow's own dictionaries, checked in
shape only.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

from adapters.errors import (
    AdapterError,
    InvalidError,
    NotFoundError,
    TransientError,
)
from adapters.http import HttpClient, check_count
from adapters.mlflow.config import MlflowConfig
from adapters.mlflow.failures import explain
from adapters.payloads import Raw, text
from adapters.portions import MOST_FAILURES, Answers, Portion, ask_for
from adapters.scanning import Steps
from adapters.served import ServiceClient

T = TypeVar("T")
ROOT = "/api/2.0/mlflow"
WORKSPACE_HEADER = "X-MLFLOW-WORKSPACE"
DEFAULT_WORKSPACE = "default"
NEWEST_FIRST = ("last_updated_timestamp DESC", "name ASC")
BY_NAME = ("name ASC",)
BY_CREATION = ("creation_timestamp ASC", "name ASC")
PROMPT_TAG = "mlflow.prompt.is_prompt"
ONLY_PROMPTS = f"tags.`{PROMPT_TAG}` = 'true'"
RUNS_PER_CALL = 1000
LOGGED_MODELS_PER_CALL = 200
EXPERIMENTS_PER_CALL = 1000
MOST_EXPERIMENTS = 200_000
TIMES_GIVEN = 2
"""What is asked for by id may come so often: it moves from page to page while it changes."""
ROWS_PER_CALL = 200_000
WEBHOOKS_PER_CALL, MOST_WEBHOOK_PAGES = 100, 100
MOST_GONE = 100_000
SAFE_ID = re.compile(r"^[A-Za-z0-9_-]{1,128}$")
"""Ids that may stand in a filter; whatever else a backend calls an id is not looked up."""


class Listed(NamedTuple):
    """One page of a listing of MLflow's. `next` is its page token, None at the end."""

    rows: list[Any]
    next: str | None


Arrived = Callable[[bool], object]
"""Told when the answer to a page that was asked for has come and is not read yet, and whether another one follows."""


class MlflowClient(ServiceClient):
    """The calls. Errors: any `AdapterError`; `NotFoundError` only where MLflow itself says that it is so."""

    def __init__(self, config: MlflowConfig) -> None:
        self.config = config
        headers = {"Authorization": f"Bearer {config.token.get_secret_value()}"} if config.token else {}
        if config.workspace:
            headers[WORKSPACE_HEADER] = config.workspace
        auth = (config.username, config.password) if config.username and config.password else None
        endpoint = config.endpoint(config.url, headers=headers, auth=auth, verify=config.verify)
        super().__init__(HttpClient(endpoint, explain=explain))
        self._experiments: list[str] = []
        self._runs, self._logged_models = Portion(RUNS_PER_CALL), Portion(LOGGED_MODELS_PER_CALL)
        self._pages: defaultdict[str, Portion] = defaultdict(lambda: Portion(ROWS_PER_CALL))
        self._gone: set[str] = set()
        """Runs and logged models that MLflow said are gone: an id is never used again."""

    def server_version(self) -> str:
        """The version MLflow says it is, `unknown` where it does not say."""
        try:
            said = self.http.call("GET", "/version", repeatable=True, max_bytes=4096).body.decode(
                "ascii", "replace"
            )
        except (InvalidError, NotFoundError):
            return "unknown"
        return said.strip() if re.fullmatch(r"\d+\.\d+[0-9A-Za-z.+-]{0,30}\s*", said) else "unknown"

    def models(
        self,
        *,
        prompts: bool,
        token: str | None,
        size: int,
        order: Sequence[str] = NEWEST_FIRST,
        arrived: Arrived = bool,
    ) -> Listed:
        """Registered models, or prompts. MLflow leaves prompts out of the first."""
        params: Raw = {"max_results": size, "order_by": [*order], "page_token": token}
        if prompts:
            params["filter"] = ONLY_PROMPTS
        return self._page(f"{ROOT}/registered-models/search", params, "registered_models", arrived)

    def versions(
        self,
        *,
        where: str | None,
        token: str | None,
        size: int,
        order: Sequence[str] = NEWEST_FIRST,
        arrived: Arrived = bool,
    ) -> Listed:
        """Model versions that meet a filter."""
        params = {"max_results": size, "order_by": [*order], "page_token": token, "filter": where}
        return self._page(f"{ROOT}/model-versions/search", params, "model_versions", arrived)

    def model(self, name: str) -> Raw:
        """The model that lives under this name now."""
        return self._object(f"{ROOT}/registered-models/get", {"name": name}, "registered_model")

    def version(self, name: str, version: str) -> Raw:
        """The version that lives under this name and number now."""
        return self._object(f"{ROOT}/model-versions/get", {"name": name, "version": version}, "model_version")

    def first_experiment(self) -> Raw:
        """The experiment that MLflow makes with its database: it lies in the default workspace."""
        headers = {WORKSPACE_HEADER: DEFAULT_WORKSPACE} if self.config.workspace else {}
        return self._object(f"{ROOT}/experiments/get", {"experiment_id": "0"}, "experiment", headers)

    def run(self, run_id: str) -> Raw:
        """One run."""
        return self._object(f"{ROOT}/runs/get", {"run_id": run_id}, "run")

    def logged_model(self, model_id: str) -> Raw:
        """One logged model."""
        return self._object(f"{ROOT}/logged-models/{quote(model_id, safe='')}", {}, "model")

    def download_uri(self, name: str, version: str) -> str | None:
        """Where the files of a version are."""
        params = {"name": name, "version": version}
        return text(self.http.get(f"{ROOT}/model-versions/get-download-uri", params), "artifact_uri")

    def runs(self, ids: Iterable[str]) -> Answers[Raw]:
        """Runs by id, deleted ones too. What is neither found nor failed is gone: MLflow said so of each."""
        return self._look_up(sorted(set(ids)), self._runs, self._search_runs, self.run)

    def logged_models(self, ids: Iterable[str]) -> Answers[Raw]:
        """Logged models by id. What is neither found nor failed is gone: MLflow said so of each."""
        return self._look_up(
            sorted(set(ids)), self._logged_models, self._search_logged_models, self.logged_model
        )

    def artifact(self, name: str, version: str, path: str, max_bytes: int) -> bytes:
        """A file beside a version's model, as bytes."""
        params = {"name": name, "version": version, "path": path}
        return self.http.call("GET", "/model-versions/get-artifact", params=params, max_bytes=max_bytes).body

    def webhook_at(self, address: str) -> str | None:
        """The id of the webhook that calls an address; None where there is none."""
        token = None
        for _ in range(MOST_WEBHOOK_PAGES):
            params = {"max_results": WEBHOOKS_PER_CALL, "page_token": token}
            page = self._listed(self.http.get(f"{ROOT}/webhooks", params), "webhooks", WEBHOOKS_PER_CALL)
            for row in page.rows:
                if text(row, "url") == address:
                    return text(row, "webhook_id")
            token = page.next
            if token is None:
                break
        return None

    def write(self, method: str, path: str, body: Raw) -> Raw:
        """Change something; sent once. Errors: `TransientError` when it is unknown whether it was applied."""
        answer = self.http.call(method, ROOT + path, body=body).json()
        return answer if isinstance(answer, dict) else {}

    def _look_up(
        self,
        ids: Sequence[str],
        portion: Portion,
        search: Callable[[Sequence[str]], dict[str, Raw]],
        get: Callable[[str], Raw],
    ) -> Answers[Raw]:
        """Ask for many at once, then for each that no search showed: one in an experiment that this credential may not
        read looks as if it were gone.
        """
        known = bool(self._experiments)
        answers = ask_for(ids, portion, search)
        missing = [each for each in ids if each not in answers]
        if missing and known:
            self._experiments = []
            more = ask_for(missing, portion, search)
            answers.found.update(more.found)
            answers.failed.update(more.failed)
        unseen = [each for each in missing if each not in answers and each not in self._gone]
        for place, each in enumerate(unseen):
            try:
                answers.found[each] = get(each)
            except NotFoundError:
                self._remember_gone(each)
            except AdapterError as error:
                if isinstance(error, TransientError) and not error.divisible:
                    raise
                refused_all = place + 1 >= MOST_FAILURES and len(answers.failed) > place
                answers.failed.update(dict.fromkeys(unseen[place:] if refused_all else [each], str(error)))
                if refused_all:
                    break
        return answers

    def _remember_gone(self, each: str) -> None:
        if len(self._gone) >= MOST_GONE:
            self._gone.clear()
        self._gone.add(each)

    def _search_runs(self, ids: Sequence[str]) -> dict[str, Raw]:
        body = {
            "experiment_ids": self._experiment_ids(),
            "filter": f"attributes.run_id IN ({quoted(ids)})",
            "max_results": len(ids),
            "run_view_type": "ALL",
        }
        found = self._search("/runs/search", body, "runs", TIMES_GIVEN * len(ids))
        return {text(run, "info", "run_id") or "": run for run in found}

    def _search_logged_models(self, ids: Sequence[str]) -> dict[str, Raw]:
        body = {
            "experiment_ids": self._experiment_ids(),
            "filter": f"model_id IN ({quoted(ids)})",
            "max_results": len(ids),
        }
        found = self._search("/logged-models/search", body, "models", TIMES_GIVEN * len(ids))
        return {text(model, "info", "model_id") or "": model for model in found}

    def _experiment_ids(self) -> list[str]:
        known = self._experiments
        if not known:
            body = {"max_results": EXPERIMENTS_PER_CALL, "view_type": "ALL"}
            found = self._search("/experiments/search", body, "experiments", MOST_EXPERIMENTS)
            known = self._experiments = [text(experiment, "experiment_id") or "" for experiment in found]
        return known

    def _search(self, path: str, body: Raw, field: str, most: int) -> Iterator[Raw]:
        """The rows of all pages, at most so many. Errors: any `AdapterError`."""
        steps, came = Steps(lambda: TransientError(looping(self.http.host, path))), 0
        while True:
            answer = self.http.call("POST", ROOT + path, body=body, repeatable=True).json()
            page = self._listed(answer, field, body["max_results"])
            came += len(page.rows)
            check_count(self.http.host, came, most)
            yield from (row for row in page.rows if isinstance(row, dict))
            if page.next is None:
                return
            steps.take(page.next, is_empty=not page.rows)
            body = {**body, "page_token": page.next}

    def _page(self, path: str, params: Raw, field: str, arrived: Arrived) -> Listed:
        """A page of a listing, a smaller one where so much is too much at once: then nobody is told that it came."""
        most = params["max_results"]

        def ask(size: int) -> Listed:
            asked = {**params, "max_results": size}
            reply = self.http.call("GET", path, params=asked, repeatable=True)
            if size == most:
                arrived(b'"next_page_token"' in reply.body)
            return self._listed(reply.json(), field, size)

        return self._pages[path].read(most, ask)

    def _listed(self, answer: Any, field: str, most: int) -> Listed:
        rows = answer.get(field, []) if isinstance(answer, dict) else None
        token = answer.get("next_page_token") if isinstance(answer, dict) else None
        if not isinstance(rows, list) or not isinstance(token, str | None):
            raise TransientError(
                f"{self.http.host} did not answer with a list of {field}: check that it is MLflow"
            )
        check_count(self.http.host, len(rows), most)
        return Listed(rows, token or None)

    def _object(self, path: str, params: Raw, field: str, headers: Mapping[str, str] | None = None) -> Raw:
        answer = self.http.get(path, params, headers)
        found = answer.get(field) if isinstance(answer, dict) else None
        if not isinstance(found, dict):
            raise TransientError(f"{self.http.host} did not answer with a {field}: check that it is MLflow")
        return found


def looping(host: str, path: str) -> str:
    """The line for a listing that would never end."""
    return f"{host} gives the same page token again for {path}: its listing never ends"


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items in slices of at most `size`."""
    return (items[start : start + size] for start in range(0, len(items), size))


def quoted(ids: Iterable[str]) -> str:
    """Ids for an `IN (…)` of MLflow's filters. They must be `SAFE_ID`s or names that need no escaping."""
    return ",".join(f"'{each}'" for each in ids)
