"""What the bridge has said about a call, and the sample rate of its audio."""

import sqlalchemy as sa
from alembic import op

revision = "9"
down_revision = "8"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the table and the column."""
    op.create_table(
        "call_metadata",
        sa.Column("call", _BIG, sa.ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("name", sa.String(256), primary_key=True),
        sa.Column("value", sa.String(256), nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
    )
    op.create_index("call_metadata_by_value", "call_metadata", ["name", "value", "call"])
    op.add_column("calls", sa.Column("sample_rate", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("calls", "sample_rate")
    op.drop_table("call_metadata")
