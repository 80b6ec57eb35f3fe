"""Examples in the API's description: parameters that work in the demo, and a body for everything that takes one."""

from collections.abc import Mapping
from typing import Any

PARAMETERS: Mapping[str, Mapping[str, str]] = {
    "/api/v1/search": {"q": "fraud stage:production", "sort": "metric.auc"},
    "/api/v1/versions/{ref}": {"ref": "fraud/card-fraud-scorer@champion"},
    "/api/v1/models/{ref}": {"ref": "fraud/card-fraud-scorer"},
    "/api/v1/impact/{ref}": {"ref": "search/encoder:3", "action": "archive"},
    "/api/v1/dependencies/{ref}": {"ref": "search/product-ranker:4"},
    "/api/v1/timeline/{ref}": {"ref": "search/encoder"},
    "/api/v1/diff": {"left": "search/product-ranker:3", "right": "search/product-ranker:4"},
    "/api/v1/production": {"as_of": "2026-05-03", "team": "risk"},
    "/api/v1/references": {"q": "search/enc"},
    "/api/v1/registries/{name}": {"name": "fraud"},
    "/api/v1/insights/{name}": {"name": "most-depended-on"},
    "/api/v1/team/{name}": {"name": "without-owner"},
}
"""By path and name."""
REFERENCES: Mapping[str, str] = {"models": "search/encoder", "versions": "search/encoder:3"}
"""What stands for `ref` in the other paths, by the area."""
DEPRECATION = {"until": "2031-03-31", "replacement": "search/encoder", "note": "it knows no prices"}
BODIES: Mapping[str, Mapping[str, Any]] = {
    "AliasIn": {"version": "4"},
    "BulkIn": {"refs": ["search/encoder:2", "search/encoder:3"], "tags": {"reviewed": "2026", "draft": None}},
    "CommentIn": {"words": "scores night payments too high"},
    "DependencyIn": {"consumer": "fraud/card-fraud-scorer:4", "provider": "search/encoder@champion"},
    "DeprecationIn": DEPRECATION,
    "ErasureIn": {"subject": "oidc:ada", "reason": "asked for by herself"},
    "GrantIn": {"role": "approver", "on": "team:risk", "group": "risk-leads"},
    "IdentityIn": {"identity": "https://mlflow.example.com"},
    "PromotionIn": {"ref": "fraud/card-fraud-scorer:4", "to": "production", "reason": "fewer false alarms"},
    "ReplayIn": {"since": "2026-11-01T00:00:00Z"},
    "ReportIn": {"verdict": "yes", "url": "https://ci.example.com/runs/17", "figures": {"latency_ms": 12.5}},
    "RetentionIn": {"versions": [{"ref": "fraud/card-fraud-scorer:1", "does": "archive"}]},
    "RollbackIn": {"model": "search/product-ranker", "reason": "fewer orders"},
    "RotateIn": {"keep_hours": 24},
    "RotateWebhookIn": {"keep_hours": 24},
    "SampleRequest": {"dataframe_split": {"columns": ["amount", "hour"], "data": [[12.5, 23]]}},
    "SealIn": {"before": "2026-01-01"},
    "SearchIn": {"name": "fraud in production", "q": "fraud stage:production"},
    "StageIn": {"stage": "staging"},
    "StatementIn": {"kind": "check", "content": "eyJuYW1lIjogImxvYWQgdGVzdCIsICJ2ZXJkaWN0IjogInllcyJ9"},
    "SyncIn": {"full": True},
    "TagsIn": {"tags": {"reviewed": "2026", "draft": None}},
    "TokenIn": {"name": "pipeline", "role": "contributor", "on": "team:risk", "expires_in_days": 90},
    "VersionIn": {"model": "card-fraud-scorer", "source": "s3://models/card-fraud-scorer/5"},
    "WatchIn": {"on": "search/encoder"},
    "WebhookIn": {
        "name": "chat",
        "url": "https://chat.example.com/hooks/7",
        "types": ["stage"],
        "on": "team:risk",
    },
    "WordsIn": {"words": "the figures are those of the report"},
}
"""By the name of what is taken."""


def give_examples(schema: dict[str, Any]) -> None:
    """Write them into the description."""
    for path, values in PARAMETERS.items():
        for parameter in schema["paths"][path]["get"]["parameters"]:
            if parameter["name"] in values:
                parameter["example"] = values[parameter["name"]]
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            _name_something(path, method, operation)
            body = operation.get("requestBody") if isinstance(operation, dict) else None
            for content in (body or {}).get("content", {}).values():
                shape = content["schema"]
                named = next((one for one in (shape, *shape.get("oneOf", ())) if "$ref" in one), None)
                if named is not None:
                    content["example"] = BODIES[named["$ref"].rpartition("/")[2]]


def _name_something(path: str, method: str, operation: Any) -> None:
    area = path.removeprefix("/api/v1/").partition("/")[0]
    if not isinstance(operation, dict) or (method, area) == (
        "delete",
        "dependencies",
    ):  # which is by a number
        return
    for parameter in operation.get("parameters", ()):
        if (parameter["name"], parameter["in"]) == ("ref", "path"):
            parameter.setdefault("example", REFERENCES.get(area, REFERENCES["versions"]))
