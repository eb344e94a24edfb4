"""Tags, keywords and metadata are indexed by tenant: a list by them depends on the calls of the tenant only."""

import sqlalchemy as sa
from alembic import op

revision = "10"
down_revision = "9"
branch_labels = None
depends_on = None

_INDEXES = {
    "tags": ("tags_by_name", ("tag", "call")),
    "found_keywords": ("found_keywords_by_name", ("keyword", "call")),
    "call_metadata": ("call_metadata_by_value", ("name", "value", "call")),
}
_NEW = "found_keywords_by_name"


def upgrade() -> None:
    """Add the tenant, and put it first in the indexes."""
    for table, (index, columns) in _INDEXES.items():
        tenant = sa.Column("tenant", sa.String(64), nullable=False, server_default="")
        op.add_column(table, tenant)
        op.execute(
            f"UPDATE {table} SET tenant ="  # noqa: S608  # constants
            f" (SELECT calls.tenant FROM calls WHERE calls.id = {table}.call)"
        )
        if index != _NEW:
            op.drop_index(index, table)
        op.create_index(index, table, ["tenant", *columns])


def downgrade() -> None:
    """Remove it."""
    for table, (index, columns) in _INDEXES.items():
        op.drop_index(index, table)
        op.drop_column(table, "tenant")
        if index != _NEW:
            op.create_index(index, table, list(columns))
