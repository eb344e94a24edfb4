"""
The full-text index of the segments: an FTS5 table in SQLite, `tsvector` in PostgreSQL.

Its rows have the keys of `segments`.  The terms are prefixed with the tenant (see `search_terms.py`).
https://www.sqlite.org/fts5.html, https://www.postgresql.org/docs/current/textsearch.html
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, text

from ..search_terms import Phrase, Query, terms_of

TABLE = "segment_terms"

IS_DELETED_AT_ONCE = sqlite3.sqlite_version_info >= (3, 42)
"""
Whether this SQLite can remove the terms of a deleted row from its files at once.

https://www.sqlite.org/fts5.html#the_secure_delete_configuration_option
"""

_SQLITE = f"CREATE VIRTUAL TABLE {TABLE} USING fts5(terms, tokenize = \"ascii tokenchars ':-'\")"
"""`ascii` separates at ASCII signs only: the terms are lower case already, and words of any script stay whole."""

_POSTGRESQL = (
    f"CREATE TABLE {TABLE} (id BIGINT PRIMARY KEY, terms TSVECTOR NOT NULL)",
    f"CREATE INDEX {TABLE}_by_term ON {TABLE} USING GIN (terms) WITH (fastupdate = off)",
    f"ALTER TABLE {TABLE} ALTER COLUMN terms SET STATISTICS 1000",
)
"""
No pending list, because each search would read it.  The statistics tell frequent terms, for which the key's order
is read, from rare ones, for which the index is.
"""

_LONGEST_TERM = 2_000
"""Characters of a term in PostgreSQL, whose limit is 2,046 bytes; longer ones are cut."""

_MOST_POSITION = 16_383

_MERGE_PAGES = 500
"""Pages that one step of a merge writes; each step is a transaction of some milliseconds."""


def create(connection: Connection) -> None:
    """Create the index, in the transaction of `connection`."""
    statements = (_SQLITE,) if _is_sqlite(connection) else _POSTGRESQL
    for statement in statements:
        connection.exec_driver_sql(statement)


def insert(connection: Connection, rows: Iterable[tuple[int, str, str]]) -> None:
    """
    Index segments: each row is key, tenant and text.

    The rows are written in order of their keys: FTS5 writes a part of its index for each step back.
    """
    ordered = sorted(rows)
    written = _terms_sqlite if _is_sqlite(connection) else _terms_postgresql
    values = [
        {"id": key, "terms": terms}
        for key, tenant, said in ordered
        if (terms := written(terms_of(tenant, said)))
    ]
    if not values:
        return
    if _is_sqlite(connection):
        connection.execute(
            text(f"INSERT INTO {TABLE} (rowid, terms) VALUES (:id, :terms)"),  # noqa: S608  # a constant
            values,
        )
    else:
        statement = (
            f"INSERT INTO {TABLE} (id, terms) VALUES (:id, CAST(:terms AS tsvector))"  # noqa: S608
            " ON CONFLICT DO NOTHING"
        )
        connection.execute(text(statement), values)


def replace(connection: Connection, key: int, tenant: str, said: str) -> None:
    """
    Index a segment anew.

    What `delete` says of the former terms holds here too.
    """
    delete(connection, key, key)
    insert(connection, [(key, tenant, said)])


def _set_secure_delete(connection: Connection, *, on: bool) -> None:
    if _is_sqlite(connection) and IS_DELETED_AT_ONCE:
        statement = f"INSERT INTO {TABLE} ({TABLE}, rank) VALUES ('secure-delete', {int(on)})"  # noqa: S608
        connection.exec_driver_sql(statement)


def delete(connection: Connection, first: int, last: int) -> None:
    """
    Delete the rows with keys from `first` to `last`.

    Their terms leave the index of SQLite at once if `IS_DELETED_AT_ONCE`, else with the next merge of all of it.
    """
    _set_secure_delete(connection, on=True)
    key = "rowid" if _is_sqlite(connection) else "id"
    connection.execute(
        text(f"DELETE FROM {TABLE} WHERE {key} BETWEEN :first AND :last"),  # noqa: S608  # a constant
        {"first": first, "last": last},
    )
    _set_secure_delete(connection, on=False)


def matches(
    connection: Connection,
    tenant: str,
    query: Query,
    keys: tuple[int, int],
    limit: int,
    *,
    newest: bool,
) -> Sequence[int]:
    """Return at most `limit` keys between `keys` (inclusive), the highest first if `newest`, else the lowest."""
    values: dict[str, Any] = {"first": keys[0], "last": keys[1], "most": limit}
    order = "DESC" if newest else "ASC"
    if _is_sqlite(connection):
        values["query"] = " AND ".join(_phrase_sqlite(tenant, one) for one in query)
        statement = (
            f"SELECT rowid FROM {TABLE} WHERE {TABLE} MATCH :query"  # noqa: S608  # constants
            f" AND rowid BETWEEN :first AND :last ORDER BY rowid {order} LIMIT :most"
        )
    else:
        values["query"] = " & ".join(_phrase_postgresql(tenant, one) for one in query)
        statement = (
            f"SELECT id FROM {TABLE} WHERE terms @@ CAST(:query AS tsquery)"  # noqa: S608  # constants
            f" AND id BETWEEN :first AND :last ORDER BY id {order} LIMIT :most"
        )
    return list(connection.execute(text(statement), values).scalars())


def merge_step(connection: Connection, *, first: bool) -> bool:
    """
    Do one step of a merge of the whole FTS5 index, which removes deleted terms.  Returns whether more is to do.

    https://www.sqlite.org/fts5.html#the_merge_command
    """
    before = connection.exec_driver_sql("SELECT total_changes()").scalar() or 0
    pages = -_MERGE_PAGES if first else _MERGE_PAGES
    connection.exec_driver_sql(f"INSERT INTO {TABLE} ({TABLE}, rank) VALUES ('merge', {pages})")  # noqa: S608
    after = connection.exec_driver_sql("SELECT total_changes()").scalar() or 0
    return bool(after - before >= 2)  # the statement itself counts as one


def _is_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"


def _terms_sqlite(terms: Sequence[str]) -> str:
    return " ".join(terms)


def _terms_postgresql(terms: Sequence[str]) -> str:
    return " ".join(
        f"{_quoted(term)}:{min(place, _MOST_POSITION)}" for place, term in enumerate(terms, 1)
    )


def _phrase_sqlite(tenant: str, phrase: Phrase) -> str:
    words = " ".join(f"{tenant}:{word}" for word in phrase.words)
    return f'"{words}"' + ("*" if phrase.is_prefix else "")


def _phrase_postgresql(tenant: str, phrase: Phrase) -> str:
    words = [_quoted(f"{tenant}:{word}") for word in phrase.words]
    if phrase.is_prefix:
        words[-1] += ":*"
    return f"({' <-> '.join(words)})"


def _quoted(term: str) -> str:
    """Quote a term for `tsvector` and `tsquery`.  A term has letters and digits only, beside tenant and colon."""
    return f"'{term[:_LONGEST_TERM]}'"
