"""A PostgreSQL server of the tests, in a folder of its own, on a unix socket.  Installed from Debian if it is missing."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from sqlalchemy import create_engine

from .debian import install

_BIN = Path("/usr/lib/postgresql")
_LOCK = Path(tempfile.gettempdir()) / f"trunkline-postgres-{os.geteuid()}.lock"


@cache
def programs() -> Path | None:
    """The folder of `initdb` and `pg_ctl`; None if PostgreSQL cannot be had here."""
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the processes of pytest-xdist install it together
        if _found() is None:
            install("postgresql")
        return _found()


def _found() -> Path | None:
    folders = sorted(_BIN.glob("*/bin"), key=lambda one: int(one.parent.name), reverse=True)
    if folders:
        return folders[0]
    named = shutil.which("initdb")
    return Path(named).resolve().parent if named else None


@contextmanager
def postgres() -> Iterator[str]:
    """Run a server; yields an SQLAlchemy URL.  It refuses to run as root, so root starts it as `postgres`."""
    bin_folder = programs()
    assert bin_folder is not None
    owner = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="trunkline-postgres-") as name:
        folder = Path(name)
        (folder / "data").mkdir()
        if owner:
            shutil.chown(folder, owner, owner)
            shutil.chown(folder / "data", owner, owner)
        with _running(bin_folder, folder, owner) as url:
            yield url


@contextmanager
def _running(bin_folder: Path, folder: Path, owner: str | None) -> Iterator[str]:
    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [bin_folder / program, "-D", str(folder / "data"), *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=folder,
            user=owner,
            group=owner,
        )

    run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C.UTF-8")
    options = f"-k {folder} -c listen_addresses= -c fsync=off"
    run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
    finally:
        run("pg_ctl", "-w", "-m", "immediate", "stop")


def emptied(url: str) -> None:
    """Drop all tables of a PostgreSQL."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    engine.dispose()
