"""Runs in the vendor's own environment: calls `huggingface_hub` as it is told, one JSON line for each call."""

import json
import sys
from collections.abc import Mapping
from typing import Any

from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError

PLAIN = (str, int, float, bool, type(None), dict)
EXPAND: Any = ["cardData", "sha", "gated", "private", "lastModified", "baseModels", "safetensors"]


def commit(
    api: HfApi, name: str, files: Mapping[str, str], branch: str = "main", parent: str | None = None
) -> str:
    """Texts as files of one commit; its id."""
    operations = [CommitOperationAdd(path, text.encode()) for path, text in files.items()]
    done = api.create_commit(name, operations, commit_message="m", revision=branch, parent_commit=parent)
    return str(done.oid)


def refs(api: HfApi, name: str) -> dict[str, dict[str, str]]:
    """Tags and branches, each with its commit."""
    found = api.list_repo_refs(name)
    return {
        kind: {one.name: one.target_commit for one in getattr(found, kind)} for kind in ("tags", "branches")
    }


def everything(api: HfApi, author: str) -> dict[str, Any]:
    """Every model with its refs, and the licence at each commit that a tag names."""
    told: dict[str, Any] = {}
    for model in api.list_models(author=author, expand=EXPAND):
        found = refs(api, model.id)
        commits = {model.sha: license_of(model)}
        for at in found["tags"].values():
            if at not in commits:
                commits[at] = license_of(api.model_info(model.id, revision=at, expand=EXPAND))
        told[model.id] = {
            **found, "commits": commits, "sha": model.sha, "gated": model.gated, "private": model.private,
        }  # fmt: skip
    return told


def license_of(model: Any) -> str | None:
    """What its card says."""
    return getattr(model.card_data, "license", None)


def named(result: Any) -> Any:
    """A result as JSON has it."""
    if isinstance(result, PLAIN):
        return result
    if isinstance(result, list):
        return [named(one) for one in result]
    return {name: value for name, value in vars(result).items() if isinstance(value, (*PLAIN, list))}


def main() -> None:
    """One call after another: `[name, args, kwargs]`; the answer is `[result, null]` or `[null, error]`."""
    api = HfApi(endpoint=sys.argv[1], token=sys.argv[2] or False)
    own: dict[str, Any] = {"commit": commit, "refs": refs, "everything": everything}
    for line in sys.stdin:
        name, args, given = json.loads(line)
        try:
            result = own[name](api, *args, **given) if name in own else getattr(api, name)(*args, **given)
            answer = [
                named(list(result) if name.startswith("list_") and name != "list_repo_refs" else result),
                None,
            ]
        except HfHubHTTPError as error:
            answer = [None, [type(error).__name__, error.response.status_code]]
        except Exception as error:
            answer = [None, [type(error).__name__, str(error)[:200]]]
        print(json.dumps(answer, default=str), flush=True)


main()
