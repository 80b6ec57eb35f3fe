"""What the pages of a run under way have met stands beside it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema here from the one before. There is no way back but a backup."""
    op.create_table(
        "sync_page",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("sync_id", sa.BigInteger(), nullable=False),
        sa.Column("met", sa.JSON(), nullable=False),
        sa.Column("listed", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("sync_page_of_run", "sync_page", ["sync_id"], unique=False)
