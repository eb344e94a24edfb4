"""Endpoints of webhooks, and the requests to them."""

import sqlalchemy as sa
from alembic import op

revision = "8"
down_revision = "7"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False, index=True),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("events", sa.JSON, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("secrets", sa.JSON, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("disabled_reason", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("failing_since", sa.Float),
        sa.Column("paused_until", sa.Float, nullable=False),
        sa.Column("dropped", sa.Integer, nullable=False),
    )
    webhook = sa.ForeignKey("webhooks.id", ondelete="CASCADE")
    call = sa.ForeignKey("calls.id", ondelete="CASCADE")
    op.create_table(
        "webhook_deliveries",
        sa.Column("number", _BIG, primary_key=True),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        sa.Column("webhook", sa.String(40), webhook, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("call", _BIG, call, index=True),
        sa.Column("segment", _BIG),
        sa.Column("seq", sa.BigInteger),
        sa.Column("data", sa.JSON, nullable=False),
        sa.Column("queued_at", sa.Float, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", sa.Float, nullable=False),
        sa.Column("leased_until", sa.Float, nullable=False, index=True),
        sa.Column("tried_at", sa.Float),
        sa.Column("status", sa.Integer),
        sa.Column("error", sa.Text, nullable=False),
        sa.Index("deliveries_due", "webhook", "state", "due_at"),
        sa.Index("deliveries_by_age", "state", "queued_at"),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("webhook_deliveries")
    op.drop_table("webhooks")
