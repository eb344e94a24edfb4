"""
The full-text index of the segments: an FTS5 table in SQLite, `tsvector` in PostgreSQL.

Its rows have the keys of `segments`.  The terms are prefixed with the tenant (see `search_terms.py`).
https://www.sqlite.org/fts5.html, https://www.postgresql.org/docs/current/textsearch.html
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Connection, text

from ..search.search_terms import Phrase, Query, terms_of
from .schema import CALL_SHIFT, call_of, keys_of

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
"""No pending list, because each search would read it."""

_LONGEST_TERM = 2_000
"""Characters of a term in PostgreSQL, whose limit is 2,046 bytes; longer ones are cut."""

_MOST_POSITION = 16_383

_AT_ONCE = 400
"""Keys that are read at a time."""

_FIRST_CALLS, _MOST_CALLS = 16, 400
_WINDOW, _WIDEST = 1_000, 8_000
"""
Calls and segments of the tenant that PostgreSQL reads in order before and while a query proves to be frequent.

The first calls show how many segments a call has; the number of the next ones follows from it.
"""

_RARE = 200
"""A query that fits less than one segment in so many is answered by the index, whatever the statistics say."""

_MATCHES_SQLITE = (
    f"SELECT rowid FROM {TABLE} WHERE {TABLE} MATCH :query"  # noqa: S608  # a constant
    " AND rowid BETWEEN :first AND :last ORDER BY rowid {order} LIMIT :most"
)

_MATCHES_POSTGRESQL = (
    f"WITH found AS MATERIALIZED (SELECT id FROM {TABLE} WHERE terms @@ CAST(:query AS tsquery)"  # noqa: S608
    " AND id BETWEEN :first AND :last) SELECT id FROM found ORDER BY id {order} LIMIT :most"
)
"""`MATERIALIZED`: otherwise PostgreSQL may read all segments in order of their keys until it has enough."""

_WINDOW_POSTGRESQL = (
    "WITH own AS MATERIALIZED (SELECT id FROM calls WHERE tenant = :tenant"  # noqa: S608  # constants
    " AND id BETWEEN :first AND :last ORDER BY id {order} LIMIT :calls)"
    " SELECT own.id AS call, one.id, one.fits FROM own LEFT JOIN LATERAL"
    f" (SELECT id, terms @@ CAST(:query AS tsquery) AS fits FROM {TABLE}"
    f" WHERE id BETWEEN own.id << {CALL_SHIFT} AND ((own.id + 1) << {CALL_SHIFT}) - 1) one ON true"
    " ORDER BY own.id {order}, one.id {order}"
)

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
    *,
    newest: bool,
) -> Iterator[Sequence[int]]:
    """
    Yield the keys of matching segments between `keys` (inclusive), some at a time: the highest first if `newest`.

    A reader that has enough stops: frequent words cost no more than rare ones.
    """
    if _is_sqlite(connection):
        values = {"query": " AND ".join(_phrase_sqlite(tenant, one) for one in query)}
        yield from _in_order(connection, _MATCHES_SQLITE, values, keys, newest=newest)
        return
    values = {"query": " & ".join(_phrase_postgresql(tenant, one) for one in query)}
    # The estimated cost of `_WINDOW_POSTGRESQL` is far too high; compiling it takes longer than running it.
    connection.exec_driver_sql("SET LOCAL jit = off")
    window = _Window(values["query"], tenant, (call_of(keys[0]), call_of(keys[1])))
    while window.is_frequent and not window.is_last:
        yield window.read(connection, newest=newest)
    if not window.is_last:
        rest = keys_of(window.calls[0])[0], keys_of(window.calls[1])[1]
        yield from _in_order(connection, _MATCHES_POSTGRESQL, values, rest, newest=newest)


def _in_order(
    connection: Connection,
    statement: str,
    values: dict[str, str],
    keys: tuple[int, int],
    *,
    newest: bool,
) -> Iterator[Sequence[int]]:
    """Yield the results of `statement`, by their keys."""
    ordered = text(statement.format(order="DESC" if newest else "ASC"))
    first, last = keys
    while first <= last:
        asked = {**values, "first": first, "last": last, "most": _AT_ONCE}
        some = list(connection.execute(ordered, asked).scalars())
        yield some
        if len(some) < _AT_ONCE:
            return
        first, last = (first, some[-1] - 1) if newest else (some[-1] + 1, last)


class _Window:
    """
    Reads the segments of a tenant in PostgreSQL, some calls at a time.

    The calls of other tenants cost nothing, however many there are.
    """

    def __init__(self, query: str, tenant: str, calls: tuple[int, int]) -> None:
        """`query`: a `tsquery`; `calls`: the first and the last call."""
        self._said = {"query": query, "tenant": tenant}
        self.calls = calls
        """The calls that are left."""

        self.is_last = False
        """Whether no calls are left."""

        self.is_frequent = True
        """Whether enough of the segments that were read last have matched."""

        self._rows = _WINDOW
        self._number = _FIRST_CALLS

    def read(self, connection: Connection, *, newest: bool) -> list[int]:
        """Return the keys of the matching segments of the next calls."""
        statement = text(_WINDOW_POSTGRESQL.format(order="DESC" if newest else "ASC"))
        first, last = self.calls
        asked = {**self._said, "first": first, "last": last, "calls": self._number}
        found = connection.execute(statement, asked).all()
        calls = list(dict.fromkeys(row.call for row in found))
        some = [row.id for row in found if row.fits]
        self.is_last = len(calls) < self._number
        self.is_frequent = len(some) * _RARE >= len(found)
        if calls:
            self.calls = (first, calls[-1] - 1) if newest else (calls[-1] + 1, last)
            self._number = max(1, min(_MOST_CALLS, self._rows * len(calls) // len(found)))
        self._rows = min(2 * self._rows, _WIDEST)
        return some


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
