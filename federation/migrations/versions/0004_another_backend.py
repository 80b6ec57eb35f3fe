"""Which backend answers instead of the known one is kept until a person confirms it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema here from the one before. There is no way back but a backup."""
    op.add_column("registry", sa.Column("offered_identity", sa.Text(), nullable=True))
