"""Kept audio with its keys, and where data was redacted."""

import sqlalchemy as sa
from alembic import op

revision = "12"
down_revision = "11"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "audio_parts",
        _call(),
        sa.Column("part", sa.String(64), primary_key=True),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("is_checked", sa.Boolean, nullable=False),
        sa.Column("seq", sa.BigInteger),
    )
    op.create_table(
        "kept_audio",
        _call(),
        sa.Column("file", sa.String(64), nullable=False, unique=True),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("made_at", sa.Float, nullable=False),
    )
    op.create_table(
        "redacted_spans",
        _call(),
        sa.Column("channel", sa.Integer, primary_key=True),
        sa.Column("start", sa.BigInteger, primary_key=True),
        sa.Column("end", sa.BigInteger, primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    for name in ("redacted_spans", "kept_audio", "audio_parts"):
        op.drop_table(name)


def _call() -> "sa.Column[int]":
    return sa.Column("call", _BIG, sa.ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True)
