"""The words of a segment as they were said, and what was left out of them."""

import sqlalchemy as sa
from alembic import op

revision = "7"
down_revision = "6"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns.  Segments that are stored already have neither."""
    op.add_column("segments", sa.Column("lexical", sa.JSON))
    op.add_column("segments", sa.Column("redactions", sa.JSON))


def downgrade() -> None:
    """Drop the columns."""
    op.drop_column("segments", "redactions")
    op.drop_column("segments", "lexical")
