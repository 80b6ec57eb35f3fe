"""What stands of a promotion on its backend: what its operations made that can be put back, and what nobody knows."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from federation import tables
from federation.catalogue.writer import DECODERS
from federation.operations.tables import operation
from federation.operations.wanted import SetTraffic, Wanted, aim, from_json, held, reverse
from federation.promotions.rollout import Rollout, read_rollout


def operations(connection: Connection, ids: str) -> list[Row[Any]]:
    """The operations of a list in JSON, in order."""
    numbers = msgspec.json.decode(ids)
    query = select(operation).where(operation.c.id.in_(numbers)).order_by(operation.c.id)
    return list(connection.execute(query)) if numbers else []


def standing(connection: Connection, made: Sequence[Row[Any]]) -> list[Row[Any]]:
    """The operations of which something is still there that was not there before, as far as is known."""
    return [one for one in _last_of_each_endpoint(made) if _stands(connection, one)]


def way_back(one: Row[Any], rollout: Rollout | None) -> Wanted | None:
    """What takes an operation back; None where nothing can."""
    if rollout is not None and one.target_kind == "endpoint":
        return SetTraffic(rollout.former[one.native_id])
    return reverse(from_json(one.wanted), msgspec.json.decode(one.before or "{}"))


def shown(one: Row[Any]) -> str:
    """What an operation writes, in words."""
    values = ", ".join(f"{name} {value!r}" for name, value in aim(from_json(one.wanted)).items())
    return values or f"what operation {one.id} ({one.kind}) makes"


def told_stuck(connection: Connection, row: Row[Any], why: str) -> str:
    """Why a promotion is stuck, what stands where, and what is to be done."""
    made, undoing = operations(connection, row.steps), operations(connection, row.undone)
    rollout = read_rollout(row.rollout)
    open_ones = [one for one in (*made, *undoing) if one.finished_at is None]
    lines = [
        f"whether {one.ref} has {shown(one)} is not known: {one.error or one.state}" for one in open_ones
    ]
    if undoing or not open_ones:
        left = [one for one in standing(connection, made) if way_back(one, rollout) is not None]
        lines += [f"{one.ref} still has {shown(one)}, which could not be taken back yet" for one in left]
    todo = "it goes on by itself once the backend answers: bring that back, nothing is to be done here"
    return "; ".join([*filter(None, [why]), *lines, todo])


def _last_of_each_endpoint(made: Sequence[Row[Any]]) -> list[Row[Any]]:
    """The operations of which something may stand: of those that moved one endpoint's traffic, the last."""
    last = {one.native_id: one.id for one in made if one.target_kind == "endpoint"}
    return [one for one in made if one.target_kind != "endpoint" or last[one.native_id] == one.id]


def _stands(connection: Connection, one: Row[Any]) -> bool:
    if one.state not in ("ok", "partial", "unknown"):
        return False
    target = tables.RECORDS[one.target_kind].c
    query = select(target.body).where(
        target.registry_id == one.registry_id,
        target.native_id == one.native_id,
        target.deleted_at.is_(None),
    )
    body = connection.execute(query).scalar()
    if body is None:
        return False
    wanted = from_json(one.wanted)
    there, goal = held(wanted, DECODERS[one.target_kind](body)), aim(wanted)
    before = msgspec.json.decode(one.before or "{}")
    return any(there[name] == goal[name] != before.get(name) for name in goal)
