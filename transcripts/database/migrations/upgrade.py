"""
Create the tables of this version, or bring those of an earlier one up to date, in one transaction.

A change of a table is an Alembic migration in `migrations/versions/`, which also sets `HEAD`.  Alembic is imported
only if a migration has to run: the commands that read a store must start quickly.
"""

import threading
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from .. import search_index
from ..schema import metadata
from . import legacy

HEAD = "16"
"""The last revision in `migrations/versions/`."""

REVISIONS = ("5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16")
"""All revisions, in order."""

_TOMBSTONE = 5
"""In the table `schema_version`, which programs from before the migrations read: they refuse the store."""

_LOCK = 7_261_002_115
"""Key of the advisory lock of PostgreSQL under which processes that start together create the tables."""

_MIGRATION_MS = 600_000
"""Milliseconds that a process waits for the migration of a large SQLite store by another one."""

_one_at_a_time = threading.Lock()
"""Alembic's context is global in a process."""


class NewerError(Exception):
    """The tables are of a newer version of this program.  The text names it."""


def is_current(connection: Connection) -> bool:
    """Return whether the tables are those of this version.  Raises NewerError."""
    revision = _revision(connection)
    return revision == HEAD


def bring_up_to_date(connection: Connection) -> None:
    """Create or migrate the tables, in the transaction of `connection`.  Raises NewerError."""
    _lock(connection)
    revision = _revision(connection)  # another process may have done it meanwhile
    if revision == HEAD:
        return
    if revision is None:
        version = _version(connection)
        if not version:
            _create(connection)
            return
        legacy.bring_to_last(connection, version)
    with _one_at_a_time:
        _migrate(connection)


def _lock(connection: Connection) -> None:
    """SQLite does not begin a transaction by itself before DDL.  Another process may be migrating: wait for it."""
    if connection.dialect.name == "sqlite":
        usual = connection.exec_driver_sql("PRAGMA busy_timeout").scalar()
        connection.exec_driver_sql(f"PRAGMA busy_timeout={_MIGRATION_MS}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        connection.exec_driver_sql(f"PRAGMA busy_timeout={usual}")
    else:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def _create(connection: Connection) -> None:
    metadata.create_all(connection)
    search_index.create(connection)
    for statement in (
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL,"
        " CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))",
        f"INSERT INTO alembic_version VALUES ('{HEAD}')",  # noqa: S608  # a constant
        "CREATE TABLE schema_version (version INTEGER NOT NULL PRIMARY KEY)",
        f"INSERT INTO schema_version VALUES ({_TOMBSTONE})",  # noqa: S608  # a constant
    ):
        connection.exec_driver_sql(statement)


def _migrate(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415  # see above
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    connection.exec_driver_sql(f"UPDATE schema_version SET version = {_TOMBSTONE}")  # noqa: S608


def _revision(connection: Connection) -> str | None:
    """Return Alembic's revision of the tables; None if they are from before the migrations, or absent."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found is not None and found not in REVISIONS:
        raise NewerError(str(found))
    return found


def _version(connection: Connection) -> int:
    """Return the schema version of a store from before the migrations; 0 if there are no tables."""
    if not inspect(connection).has_table("schema_version"):
        return 0
    found = connection.execute(text("SELECT version FROM schema_version")).scalar() or 0
    if found > legacy.LAST:
        raise NewerError(str(found))
    return int(found)
