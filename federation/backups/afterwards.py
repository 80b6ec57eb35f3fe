"""What changes when a backup was put back: nothing that was under way then is done a second time."""

import secrets
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from federation import tables
from federation.graph.tables import graph_head
from federation.identity.tables import secret
from federation.journal.log import Batch
from federation.operations.outcome import abandon
from federation.positions import NAME
from federation.promotions.opened import OpenedPromotion
from federation.promotions.tables import promotion

APART = 1 << 32
"""Positions, and generations of the graph, that are left out. Whoever followed the database that was lost stands before
them, however far that came, and begins anew."""


def settle(connection: Connection, batch: Batch, made_at: datetime) -> tuple[int, int]:
    """End operations and promotions, have every registry read in full, and make positions that were given out void.

    Returns how many operations and promotions ended.
    """
    since = f"the gateway was restored from a backup of {made_at:%Y-%m-%d %H:%M} UTC"
    operations = abandon(connection, batch, f"{since}: whether it was carried out is not known")
    query = select(promotion.c.id).where(promotion.c.finished_at.is_(None)).order_by(promotion.c.id)
    promotions = connection.execute(query).scalars().all()
    for promotion_id in promotions:
        opened = OpenedPromotion.of(connection, batch, promotion_id)
        assert opened is not None, "it was read in this transaction"
        opened.end("void", f"{since}: propose it again", details={"changed": ["database"]})
    connection.execute(update(tables.sync).where(tables.sync.c.state == "running").values(page=None))
    connection.execute(update(tables.registry).values(last_full_at=None))
    connection.execute(delete(tables.change))
    connection.execute(update(tables.head).values(position=tables.head.c.position + APART))
    connection.execute(update(graph_head).values(generation=graph_head.c.generation + APART))
    connection.execute(update(secret).where(secret.c.name == NAME).values(value=secrets.token_bytes(32)))
    return operations, len(promotions)
