"""What else a backend is known by, and what it reaches

Revision ID: 0023
Revises: 0022

"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema here from the one before. There is no way back but a backup."""
    for name in ("anchors", "reaches"):
        op.add_column("registry", sa.Column(name, sa.JSON(), server_default="[]", nullable=False))
