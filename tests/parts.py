"""What breaks each part of a gateway, and where that is told: `tests/gateway/test_parts.py` breaks them one after the
other and looks; the reference page prints this table.
"""

from dataclasses import dataclass

from federation.health import PARTS


@dataclass(frozen=True)
class Fault:
    """`how` a part is broken, the status of `/health/ready` then, and words of the `reason` that operators read."""

    part: str
    how: str
    reason: str
    status: int = 200

    @property
    def people(self) -> str:
        """What everybody reads."""
        return PARTS[self.part].people


FAULTS = (
    Fault("supervisor", "it has no file descriptor left when the worker is killed", "Too many open files"),
    Fault("worker", "it is killed and cannot be started", "it has ended"),
    Fault("intents", "the table of operations is gone", "no such table: operation"),
    Fault("sync", "the table of runs is gone", "no such table: sync"),
    Fault("signing", "the log's key is moved away", "entries are not signed"),
    Fault("witnesses", "a file stands in the place of a witness's folder", "Not a directory"),
    Fault("index", "a file stands in the place of its folder", "File exists"),
    Fault("graph", "a file stands in the place of its folder", "File exists"),
    Fault("events", "the table of deliveries is gone", "no such table: delivery"),
    Fault("redis", "it is held still", "nothing came for"),
    Fault("database", "its schema is of no version", "this Waypost needs", status=503),
    Fault("disk", "no file may grow", "File too large"),
    Fault("clock", "what is written already is an hour ahead", "behind the newest entry"),
)


def lines() -> list[str]:
    """The table in Markdown."""
    head = "| part | broken by | `/health/ready` | `waypost doctor` and `/health` for operators | metric |"
    rows = [
        f"| {one.part} | {one.how} | {one.status}, “{one.people}” | … {one.reason} … | "
        f'`waypost_part_ok{{part="{one.part}"}} 0` |'
        for one in FAULTS
    ]
    return [head, "|---|---|---|---|---|", *rows]
