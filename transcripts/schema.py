"""The tables.  Lists and totals stand in JSON columns: nobody searches in them."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

VERSION = 1
"""Raised with every change; a program refuses a store that is newer than itself."""

metadata = MetaData()

schema_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True))

calls = Table(
    "calls",
    metadata,
    Column("call_id", String(128), primary_key=True),
    Column("roles", JSON, nullable=False),
    Column("language", String(8), nullable=False),
    Column("dialect", String(32), nullable=False),
    Column("started_at", Float, nullable=False, index=True),
    Column("ended_reason", String(128), nullable=False, default=""),
    Column("duration", BigInteger, nullable=False, default=0),
    Column("channels", JSON, nullable=False, default=list),
)

_CALL = ForeignKey("calls.call_id", ondelete="CASCADE")

segments = Table(
    "segments",
    metadata,
    Column("call_id", String(128), _CALL, primary_key=True),
    Column("channel", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("start", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False),
    Column("ending", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("language", String(8), nullable=False),
    Column("keywords_revision", Integer, nullable=False),
    Column("keywords_found", JSON, nullable=False),
    Column("engine", String(128), nullable=False),
    Column("flags", JSON, nullable=False),
)

words = Table(
    "words",
    metadata,
    Column(
        "call_id", String(128), ForeignKey("calls.call_id", ondelete="CASCADE"), primary_key=True
    ),
    Column("channel", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("text", Text, nullable=False),
    Column("start", BigInteger),
    Column("end", BigInteger),
    Column("confidence", Float),
)
