"""
Open a database: connect, configure it, and create or update the tables.

SQLite runs in WAL mode with `synchronous=FULL`: a power cut loses no committed transaction (measured; with
`NORMAL` the last hundred commits were lost).
"""

from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from protocol.operator_error import OperatorError

from .migrations.upgrade import NewerError, bring_up_to_date, is_current

_ATTEMPTS = 3
"""Attempts to create the tables: processes that start at the same time can conflict."""


_INCREMENTAL = 2
"""Value of `PRAGMA auto_vacuum`."""


class StoreError(OperatorError):
    """The database cannot be used in its present state.  The text says what the operator must do."""


def open_database(url: str) -> Engine:
    """Return an SQLAlchemy engine for `url`, with the tables of this version.  Raises StoreError if that fails."""
    place = _place(url)
    shown = place.render_as_string(hide_password=True)
    try:
        if _is_sqlite(place):
            _make_file(place)
        engine = _engine(place)
        _prepare(engine)
    except OSError as exc:
        raise StoreError(f"the store {shown} cannot be created: {exc.strerror}") from exc
    except ImportError as exc:
        raise StoreError(f"no driver for {place.drivername}: pip install {exc.name}") from exc
    except SQLAlchemyError as exc:
        raise StoreError(
            f"the store {shown} cannot be opened ({code(exc)}): check its address and the write permission"
        ) from exc
    return engine


def code(error: SQLAlchemyError) -> str:
    """Return the database's code for an error, such as SQLITE_FULL or 53100.  Error texts may quote rows."""
    if not isinstance(error, DBAPIError) or error.orig is None:
        return type(error).__name__
    cause = error.orig
    known = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None)
    return str(known or type(cause).__name__)


def _place(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError as exc:
        raise StoreError(
            "the address of the store is not an SQLAlchemy URL such as sqlite:////var/lib/trunkline/calls.db"
        ) from exc


def _is_sqlite(place: URL) -> bool:
    return place.get_backend_name() == "sqlite"


def _make_file(place: URL) -> None:
    """Create an empty file with mode 0600: it will contain what the parties of calls said."""
    if place.database in (None, "", ":memory:"):
        raise StoreError("a store in memory is lost when its process ends: give a file")
    if "uri" in place.query:  # an SQLite URI: the operator chose its options
        return
    file = Path(str(place.database))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)


def _engine(place: URL) -> Engine:
    # Parameters contain transcripts: errors must not quote them.
    engine = create_engine(
        place,
        hide_parameters=True,
        pool_pre_ping=not _is_sqlite(place),
        json_serializer=lambda value: msgspec.json.encode(value).decode(),
        json_deserializer=msgspec.json.decode,
    )
    if _is_sqlite(place):
        event.listen(engine, "connect", _configure_sqlite)
    return engine


def _configure_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401  # any DBAPI's connection
    for pragma in (
        "busy_timeout=5000",
        "auto_vacuum=INCREMENTAL",  # of a new file: deleted pages can be given back
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _prepare(engine: Engine) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _prepare_once(engine)
        except DBAPIError:
            if attempt == _ATTEMPTS:
                raise
        except NewerError as exc:
            raise StoreError(
                f"the store has schema {exc}, this program knows an earlier one: update Trunkline"
            ) from exc
        else:
            return


def _prepare_once(engine: Engine) -> None:
    with engine.connect() as connection:
        if is_current(connection):
            return
    with engine.begin() as connection:
        bring_up_to_date(connection)
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            _release_pages(connection.connection.dbapi_connection)


def _release_pages(connection: Any) -> None:  # noqa: ANN401  # any DBAPI's connection
    """
    Let deleted rows shrink the file later (https://www.sqlite.org/pragma.html#pragma_auto_vacuum).

    A file with tables takes up this setting by a VACUUM, which also shrinks it after a migration.
    """
    if connection.execute("PRAGMA auto_vacuum").fetchone()[0] != _INCREMENTAL:
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
