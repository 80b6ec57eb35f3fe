"""The graph knows the addresses of versions, the titles of data sets, and how its tables were derived

Revision ID: 0006
Revises: 0005

"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ONLY = sa.text("title IS NOT NULL")


def upgrade() -> None:
    """What is derived otherwise now is derived anew by the worker, which sees it by the format."""
    op.create_table(
        "graph_address",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("node", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("address", "node"),
    )
    op.create_index("graph_address_of", "graph_address", ["node"])
    op.add_column("graph_edge", sa.Column("title", sa.Text(), nullable=True))
    op.create_index("graph_edge_title", "graph_edge", ["title"], sqlite_where=ONLY, postgresql_where=ONLY)
    op.add_column("graph_head", sa.Column("format", sa.Integer(), nullable=False, server_default="1"))
