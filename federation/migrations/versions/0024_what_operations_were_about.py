"""Operations are found by what they were about, and what made a model is about that model

Revision ID: 0024
Revises: 0023

"""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema here from the one before. There is no way back but a backup."""
    op.create_index("operation_of_target", "operation", ["target_id"])
    # A name that is percent-encoded in the catalogue is not found so: who made that model is not known.
    op.execute("""
        UPDATE operation SET target_id = (
            SELECT max(model.id) FROM model
            WHERE model.registry_id = operation.registry_id AND model.name = operation.native_id
              AND model.deleted_at IS NULL
        )
        WHERE target_id IS NULL AND target_kind = 'model' AND state IN ('ok', 'partial')
    """)
