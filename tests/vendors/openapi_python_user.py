"""A program over the client that openapi-python-client has made: `openapi_python_user.py FOLDER URL`."""

import json
import sys
import time
from typing import Any

sys.path.insert(0, sys.argv[1])

from waypost_api import Client
from waypost_api.api.diff import show_diff
from waypost_api.api.models import set_alias, show_model
from waypost_api.api.operations import show_operation
from waypost_api.api.registries import list_registries
from waypost_api.api.search import search
from waypost_api.api.suggest import suggest
from waypost_api.api.timeline import show_timeline
from waypost_api.api.versions import set_version_tags, show_version
from waypost_api.models import AliasIn, TagsIn, TagsInTags

with Client(base_url=sys.argv[2], raise_on_unexpected_status=True) as client:

    def ended(asked: Any) -> Any:
        while (one := show_operation.sync(asked.id, client=client)).finished_at is None:
            time.sleep(0.05)
        return one

    told: dict[str, Any] = {}
    told["registries"] = [one.name for one in list_registries.sync(client=client).registries]
    told["hits"] = sorted(hit.ref for hit in search.sync(client=client, q="model", group="version").hits)
    told["suggested"] = [one.text for one in suggest.sync(client=client, q="registry:al").suggestions]
    told["versions"] = [one.ref for one in show_model.sync("alpha/model-0", client=client).versions]
    wanted = TagsIn(tags=TagsInTags.from_dict({"color": "blue"}))
    tagged = ended(set_version_tags.sync("alpha/model-0:1", client=client, body=wanted))
    told["tagged"] = [tagged.kind, tagged.ref, tagged.state]
    named = set_alias.sync("alpha/model-0", "champion", client=client, body=AliasIn(version="1"))
    told["named"] = ended(named).state
    shown = show_version.sync("alpha/model-0@champion", client=client)
    told["shown"] = [shown.ref, shown.tags.to_dict(), shown.aliases]
    told["spans"] = [one.value for one in show_timeline.sync("alpha/model-0", client=client).spans]
    differing = show_diff.sync(client=client, left="alpha/model-0:1", right="alpha/model-1:1").differences
    told["differing"] = sorted(differing.additional_properties)
    refused = show_version.sync("alpha/nobody:1", client=client)
    told["refused"] = [refused.status, refused.type_, bool(refused.detail)]
print(json.dumps(told))
