"""What a language model has answered about calls."""

import sqlalchemy as sa
from alembic import op

revision = "11"
down_revision = "10"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "analyses",
        sa.Column("call", _BIG, sa.ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", sa.Float, nullable=False),
        sa.Column("begun_at", sa.Float),
        sa.Column("finished_at", sa.Float),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("answer", sa.JSON(none_as_null=True)),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("template", sa.String(64), nullable=False),
        sa.Column("coverage", sa.JSON, nullable=False),
        sa.Column("prompt_tokens", sa.Integer, nullable=False),
        sa.Column("answer_tokens", sa.Integer, nullable=False),
        sa.Column("elapsed_ms", sa.Integer, nullable=False),
        sa.Index("analyses_due", "state", "due_at"),
        sa.Index("analyses_begun", "begun_at"),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("analyses")
