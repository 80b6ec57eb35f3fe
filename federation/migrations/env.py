"""How Alembic reaches our tables: on the connection that `federation.schema` hands over, inside its transaction."""

from alembic import context

from federation.schema import compare_type, metadata, render_item

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata(),
    compare_type=compare_type,
    render_item=render_item,
    transactional_ddl=True,
)
context.run_migrations()
