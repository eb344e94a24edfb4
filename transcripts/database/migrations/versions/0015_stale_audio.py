"""Finished audio that does not know of later redactions."""

import sqlalchemy as sa
from alembic import op

revision = "15"
down_revision = "14"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and its index."""
    column = sa.Column("is_stale", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("kept_audio", column)
    op.create_index(
        "stale_audio",
        "kept_audio",
        ["call"],
        sqlite_where=sa.text("is_stale"),
        postgresql_where=sa.text("is_stale"),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_index("stale_audio", "kept_audio")
    op.drop_column("kept_audio", "is_stale")
