"""An index of the calls of a tenant: a search in PostgreSQL reads these calls only."""

from alembic import op

revision = "13"
down_revision = "12"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index."""
    op.create_index("calls_by_tenant", "calls", ["tenant", "id"])


def downgrade() -> None:
    """Drop it."""
    op.drop_index("calls_by_tenant", "calls")
