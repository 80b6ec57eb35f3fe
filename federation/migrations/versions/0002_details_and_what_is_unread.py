"""What a version's files say is one JSON text, with the schema in it; what could not be read is marked

Revision ID: 0002
Revises: 0001

"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

RECORDS = ("model", "version", "endpoint")


def upgrade() -> None:
    """Every version's files are read once more: framework and software were not read before."""
    op.alter_column("version", "schema_body", new_column_name="details")
    op.alter_column("version", "schema_read", new_column_name="details_read")
    op.execute("""UPDATE version SET details = '{"schema":' || details || '}' WHERE details IS NOT NULL""")
    op.execute("UPDATE version SET details_read = false")
    for table in RECORDS:
        op.add_column(table, sa.Column("unread", sa.Text(), nullable=True))
        op.add_column(table, sa.Column("unread_since", sa.BigInteger(), nullable=True))
        op.create_index(
            f"{table}_unread",
            table,
            ["registry_id"],
            sqlite_where=sa.text("unread IS NOT NULL"),
            postgresql_where=sa.text("unread IS NOT NULL"),
        )
    op.add_column("registry", sa.Column("unread", sa.Integer(), nullable=False, server_default="0"))
