"""A lane of operations is called by the field's word, ordering key

Revision ID: 0011
Revises: 0010

"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Both databases carry content and indexes over."""
    op.execute("ALTER TABLE operation RENAME COLUMN lane TO ordering_key")
