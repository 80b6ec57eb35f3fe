"""CloudEvents 1.0: the envelope of whatever is told outside."""

import re
from datetime import datetime
from typing import Any
from urllib.parse import quote

UNFIT = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff\\ufdd0-\\ufdef\\ufffe\\uffff]")
"""What no text of a CloudEvent may hold: controls, halves of surrogate pairs and noncharacters of the first plane."""
PREFIX = "waypost."
"""What types begin with, followed by the name of an action."""
MEDIA_TYPE = "application/cloudevents+json"


def cloud_event(
    ident: str, origin: str, kind: str, time: datetime, subject: str | None, data: Any, **extensions: str
) -> dict[str, Any]:
    """An event as JSON in structured mode. `origin` is the name of the log that it comes from."""
    return {
        "specversion": "1.0",
        "id": ident,
        "source": f"/{quote(origin)}",
        "type": f"{PREFIX}{kind}",
        "time": time.isoformat().replace("+00:00", "Z"),
        **({"subject": UNFIT.sub(_percent, subject)} if subject else {}),
        **extensions,
        "datacontenttype": "application/json",
        "data": data,
    }


def _percent(found: re.Match[str]) -> str:
    return quote(found.group(), errors="replace")
