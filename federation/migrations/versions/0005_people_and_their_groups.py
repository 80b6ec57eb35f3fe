"""People and their groups: what the identity provider says is kept by person, and sessions can be asked about again.

Sessions begun at the identity provider end: what they copied at sign-in is no longer believed. Also a secret of the
gateway's own, with which positions of the change feed are sealed.
"""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema here from the one before. There is no way back but a backup."""
    op.create_table(
        "person",
        sa.Column("principal_id", sa.String(length=40), nullable=False),
        sa.Column("groups", sa.JSON(), nullable=True),
        sa.Column("said_at", sa.BigInteger(), nullable=False),
        sa.Column("remark", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("principal_id"),
    )
    made = op.create_table(
        "secret",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.bulk_insert(made, [{"name": "position", "value": secrets.token_bytes(32)}])
    op.execute("DELETE FROM session WHERE token_id IS NULL")
    with op.batch_alter_table("session") as session:
        session.drop_column("groups")
        session.add_column(sa.Column("renewal", sa.LargeBinary(), nullable=True))
        session.add_column(sa.Column("asked_at", sa.BigInteger(), nullable=True))
