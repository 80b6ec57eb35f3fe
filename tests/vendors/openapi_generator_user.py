"""A program over the client that OpenAPI Generator has made: `openapi_generator_user.py FOLDER URL`."""

import json
import sys
import time
from typing import Any

sys.path.insert(0, sys.argv[1])

import waypost_api

with waypost_api.ApiClient(waypost_api.Configuration(host=sys.argv[2])) as client:
    models, versions = waypost_api.ModelsApi(client), waypost_api.VersionsApi(client)
    operations = waypost_api.OperationsApi(client)

    def ended(asked: Any) -> Any:
        while (one := operations.show_operation(asked.id)).finished_at is None:
            time.sleep(0.05)
        return one

    told: dict[str, Any] = {}
    told["registries"] = [one.name for one in waypost_api.RegistriesApi(client).list_registries().registries]
    hits = waypost_api.SearchApi(client).search(q="model", group="version").hits
    told["hits"] = sorted(hit.ref for hit in hits)
    told["suggested"] = [
        one.text for one in waypost_api.SuggestApi(client).suggest(q="registry:al").suggestions
    ]
    told["versions"] = [one.ref for one in models.show_model("alpha/model-0").versions]
    tagged = ended(versions.set_version_tags("alpha/model-0:1", waypost_api.TagsIn(tags={"color": "blue"})))
    told["tagged"] = [tagged.kind, tagged.ref, tagged.state]
    alias = waypost_api.AliasIn(version=waypost_api.AliasInVersion("1"))
    told["named"] = ended(models.set_alias("alpha/model-0", "champion", alias)).state
    shown = versions.show_version("alpha/model-0@champion")
    told["shown"] = [shown.ref, shown.tags, shown.aliases]
    told["spans"] = [
        one.value for one in waypost_api.TimelineApi(client).show_timeline("alpha/model-0").spans
    ]
    diff = waypost_api.DiffApi(client).show_diff(left="alpha/model-0:1", right="alpha/model-1:1")
    told["differing"] = sorted(diff.differences)
    try:
        versions.show_version("alpha/nobody:1")
    except waypost_api.ApiException as error:
        told["refused"] = [
            error.status,
            json.loads(error.body)["type"],
            bool(json.loads(error.body)["detail"]),
        ]
print(json.dumps(told))
