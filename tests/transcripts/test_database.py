"""Opening a database, or refusing it with a helpful error.  SQLite."""

import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, insert, select
from support.call_records import CALL, final, recorded
from support.postgres import emptied

from transcripts.database.migrations import legacy, upgrade
from transcripts.database.migrations.upgrade import HEAD, REVISIONS
from transcripts.database.schema import metadata
from transcripts.search.listing import Filters
from transcripts.search.search_terms import read_query
from transcripts.store import Store, StoreError

FIRST_VERSION = """
CREATE TABLE schema_version (version INTEGER NOT NULL PRIMARY KEY);
INSERT INTO schema_version VALUES (1);
CREATE TABLE calls (
    call_id VARCHAR(128) NOT NULL PRIMARY KEY, roles JSON NOT NULL, language VARCHAR(8) NOT NULL,
    dialect VARCHAR(32) NOT NULL, started_at FLOAT NOT NULL, ended_reason VARCHAR(128) NOT NULL,
    duration BIGINT NOT NULL, channels JSON NOT NULL);
CREATE INDEX ix_calls_started_at ON calls (started_at);
CREATE TABLE segments (
    call_id VARCHAR(128) NOT NULL REFERENCES calls (call_id) ON DELETE CASCADE, channel INTEGER NOT NULL,
    number INTEGER NOT NULL, start BIGINT NOT NULL, "end" BIGINT NOT NULL, ending VARCHAR(16) NOT NULL,
    text TEXT NOT NULL, reason TEXT NOT NULL, language VARCHAR(8) NOT NULL, keywords_revision INTEGER NOT NULL,
    keywords_found JSON NOT NULL, engine VARCHAR(128) NOT NULL, flags JSON NOT NULL,
    PRIMARY KEY (call_id, channel, number));
CREATE TABLE words (
    call_id VARCHAR(128) NOT NULL REFERENCES calls (call_id) ON DELETE CASCADE, channel INTEGER NOT NULL,
    number INTEGER NOT NULL, place INTEGER NOT NULL, text TEXT NOT NULL, start BIGINT, "end" BIGINT,
    confidence FLOAT, PRIMARY KEY (call_id, channel, number, place));
INSERT INTO calls VALUES ('old', '["mixed"]', 'en', 'native', 5.0, 'completed', 8000, '[]');
INSERT INTO segments VALUES ('old', 0, 0, 0, 8000, 'final', 'hello', '', 'en', 0, '[]', 'engine', '[]');
INSERT INTO words VALUES ('old', 0, 0, 0, 'hello', NULL, NULL, NULL);
"""
"""As the first version made and filled its tables."""


FOURTH_VERSION = (Path(__file__).parent / "store_version_4.sql").read_text()
"""As the last version before the migrations made and filled its tables; dumped from a store of that program."""


def version_of(file: Path) -> int:
    with sqlite3.connect(file) as connection:
        return int(connection.execute("SELECT version FROM schema_version").fetchone()[0])


def revision_of(file: Path) -> str:
    with sqlite3.connect(file) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def test_a_store_is_made_with_its_folder_and_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "new" / "store.db"

    store = Store.open(f"sqlite:///{file}")
    store.record(recorded("c1", *CALL))

    modes = {found.name: stat.S_IMODE(found.stat().st_mode) for found in file.parent.iterdir()}
    assert modes["store.db"] == 0o600
    assert set(modes.values()) == {0o600}
    store.close()


def test_a_power_cut_finds_wal_and_full_synchronisation(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'store.db'}")

    with store._engine.connect() as connection:
        kept = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        ]

    assert kept == ["wal", 2, 1, 1]
    store.close()


def test_an_older_store_is_brought_up_to_date_with_all_its_calls(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    with sqlite3.connect(file) as connection:
        connection.executescript(FIRST_VERSION)

    store = Store.open(f"sqlite:///{file}")
    store.record(recorded("new", *CALL))

    old, new = store.transcript("old"), store.transcript("new")
    assert old is not None
    assert new is not None
    assert (old.call.ended_reason, old.call.tenant) == ("completed", "")
    assert [(one.text, one.timing) for one in old.segments] == [("hello", None)]
    assert len(new.segments) == 5
    assert revision_of(file) == HEAD
    assert version_of(file) > 4  # a program from before the migrations refuses this store
    store.close()


def test_a_store_of_the_version_before_keeps_all_that_it_held(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    with sqlite3.connect(file) as connection:
        connection.executescript(FOURTH_VERSION)
    fresh = Store.open(f"sqlite:///{tmp_path / 'fresh.db'}")
    fresh.record(recorded("c1", *CALL))

    store = Store.open(f"sqlite:///{file}")

    assert store.transcript("c1") == fresh.transcript("c1")
    assert [one.call_id for one in store.calls()] == ["twice~2", "twice", "acme/c1", "c1"]
    acme, twice = store.transcript("acme/c1"), store.whole("twice")
    assert acme is not None
    assert twice is not None
    assert (acme.call.tenant, len(acme.line_warnings)) == ("acme", 1)
    assert [one.text for one in twice.segments] == ["before the hold", "after the hold"]
    (listed,) = store.page(Filters(only="twice"), 9, None).calls
    assert 0 < listed.call.duration <= twice.call.duration  # the second stream goes on
    assert listed.call.ended_reason == twice.call.ended_reason
    assert [one.arrival.payload for one in store.quarantined()] == [b"\x00\xff payload"]
    fresh.close()
    store.close()


def test_an_upgraded_store_has_the_tables_of_a_new_one(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    with sqlite3.connect(file) as connection:
        connection.executescript(FOURTH_VERSION)
    store = Store.open(f"sqlite:///{file}")

    with store._engine.connect() as connection:
        migration = MigrationContext.configure(connection, opts={"include_name": _is_ours})
        different = compare_metadata(migration, metadata)

    assert different == []
    store.close()


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_a_store_of_each_earlier_revision_is_upgraded(revision: str, tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    with sqlite3.connect(file) as connection:
        connection.executescript(FOURTH_VERSION)
    _bring_to(revision, f"sqlite:///{file}")
    assert revision_of(file) == revision

    store = Store.open(f"sqlite:///{file}")

    assert revision_of(file) == HEAD
    assert [one.call_id for one in store.calls()] == ["twice~2", "twice", "acme/c1", "c1"]
    with store._engine.connect() as connection:
        migration = MigrationContext.configure(connection, opts={"include_name": _is_ours})
        assert compare_metadata(migration, metadata) == []
    store.close()


def _bring_to(revision: str, url: str) -> None:
    """What the program of `revision` did with a store of the version before the migrations."""
    engine, config = create_engine(url), Config()
    config.set_main_option("script_location", str(Path(upgrade.__file__).parent))
    with engine.begin() as connection:
        legacy.bring_to_last(connection, 4)
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.exec_driver_sql("UPDATE schema_version SET version = 5")
    engine.dispose()


def test_a_store_in_postgresql_is_upgraded_too(postgres_url: str, tmp_path: Path) -> None:
    emptied(postgres_url)
    old, new = create_engine(f"sqlite:///{tmp_path / 'old.db'}"), create_engine(postgres_url)
    with sqlite3.connect(tmp_path / "old.db") as connection:
        connection.executescript(FOURTH_VERSION)
    with old.connect() as source, new.begin() as target:
        legacy.metadata.create_all(target)
        for table in legacy.metadata.sorted_tables:
            if rows := [dict(row) for row in source.execute(select(table)).mappings()]:
                target.execute(insert(table), rows)
        target.exec_driver_sql("CREATE TABLE schema_version (version INTEGER)")
        target.exec_driver_sql("INSERT INTO schema_version VALUES (4)")

    store, fresh = Store.open(postgres_url), Store.open(f"sqlite:///{tmp_path / 'fresh.db'}")
    fresh.record(recorded("c1", *CALL))

    assert store.transcript("c1") == fresh.transcript("c1")
    found = store.page(Filters("acme", query=read_query("overdue invoice"))).calls
    assert [one.call.call_id for one in found] == ["acme/c1"]
    with new.connect() as connection:
        migration = MigrationContext.configure(connection, opts={"include_name": _is_ours})
        assert compare_metadata(migration, metadata) == []
    for opened in (store, fresh):
        opened.close()
    for engine in (old, new):
        engine.dispose()


def _is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Alembic does not know the full-text index and the table of old versions."""
    return kind != "table" or not str(name).startswith(("segment_terms", "schema_version"))


def test_an_upgrade_that_fails_half_way_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    with sqlite3.connect(file) as connection:
        connection.executescript(
            FIRST_VERSION + "ALTER TABLE segments ADD COLUMN engine_ms INTEGER;"
        )

    with pytest.raises(StoreError, match="cannot be opened"):
        Store.open(f"sqlite:///{file}")

    with sqlite3.connect(file) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(calls)")]
    assert "tenant" not in columns
    assert version_of(file) == 1


def test_a_newer_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    with sqlite3.connect(file) as connection:
        connection.executescript(
            "CREATE TABLE schema_version (version INTEGER); INSERT INTO schema_version VALUES (999);"
        )

    with pytest.raises(StoreError, match=r"has schema 999.*update Trunkline"):
        Store.open(f"sqlite:///{file}")

    with sqlite3.connect(file) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
    assert tables == [("schema_version",)]


def test_processes_that_start_together_share_the_new_store(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"

    with ThreadPoolExecutor(8) as threads:
        stores = list(threads.map(Store.open, [url] * 8))
    stores[0].record(recorded("c1", final("hello")))

    assert all(store.transcript("c1") for store in stores)
    for store in stores:
        store.close()


def test_a_deleted_call_leaves_no_byte_in_any_file(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'store.db'}")
    store.record(recorded("c1", final("unmistakable rhododendron")))
    store.record(recorded("c2", final("stays")))
    before = [file.name for file in tmp_path.iterdir() if b"rhododendron" in file.read_bytes()]

    store.delete("c1")

    assert before
    assert [file.name for file in tmp_path.iterdir() if b"rhododendron" in file.read_bytes()] == []
    store.close()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("not a url", "not an SQLAlchemy URL such as sqlite:"),
        ("sqlite://", "is lost when its process ends: give a file"),
        ("sqlite:///:memory:", "is lost when its process ends: give a file"),
        ("nosuchdb://host/db", "cannot be opened .NoSuchModuleError.: check its address"),
        ("mssql+pymssql://host/db", "no driver for mssql.pymssql: pip install pymssql"),
    ],
)
def test_an_address_of_no_use_is_refused_with_a_sentence(url: str, sentence: str) -> None:
    with pytest.raises(StoreError, match=sentence):
        Store.open(url)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Dear operator, " * 100)

    with pytest.raises(StoreError, match=r"cannot be opened .SQLITE_NOTADB."):
        Store.open(f"sqlite:///{file}")

    assert file.read_text() == "Dear operator, " * 100


def test_a_place_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreError, match="cannot be created"):
        Store.open(f"sqlite:///{tmp_path / 'file' / 'store.db'}")


def test_a_refusal_keeps_the_password_to_itself() -> None:
    with pytest.raises(StoreError) as refused:
        Store.open("nosuchdb://trunkline:swordfish@host/db")

    assert "swordfish" not in str(refused.value)
