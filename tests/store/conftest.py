"""Where a store may lie: a SQLite file, and a PostgreSQL server that is started for the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine

OTHER = "nobody"
"""The user who runs the server where the tests run as root, which PostgreSQL refuses."""


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, with a folder for its pictures."""
    if request.param == "sqlite":
        return str(tmp_path / "runs.db")
    server, name = request.getfixturevalue("postgres"), f"t{uuid4().hex}"
    engine = create_engine(server.format("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"create database {name}")
    engine.dispose()
    return f"{server.format(name)}&images={tmp_path / 'images'}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A server on a socket in a folder of its own: a URL with {} for the database."""
    pytest.importorskip("psycopg", reason="PostgreSQL needs safelight[postgres]")
    installed = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")))  # where Debian hides initdb
    path = os.pathsep.join([os.environ.get("PATH", ""), *installed])
    initdb, control = shutil.which("initdb", path=path), shutil.which("pg_ctl", path=path)
    if not initdb or not control:
        pytest.skip("no PostgreSQL is installed: apt-get install postgresql")
    if os.geteuid() == 0 and not shutil.which("runuser"):
        pytest.skip("PostgreSQL does not run as root, and there is no runuser")
    as_other = ["runuser", "-u", OTHER, "--"] if os.geteuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # a socket's path must be short, and the server enter it
    if as_other:
        shutil.chown(folder, OTHER)

    def call(*command: str) -> None:
        subprocess.run([*as_other, *command], check=True, capture_output=True, cwd=folder)

    call(initdb, "-D", f"{folder}/data", "-U", "safelight", "--auth=trust", "--no-sync")
    served = f"-F -k {folder} -c listen_addresses="
    try:
        call(control, "-D", f"{folder}/data", "-l", f"{folder}/log", "-o", served, "-w", "start")
        yield "postgresql+psycopg://safelight@/{}?host=" + str(folder)
    finally:
        subprocess.run([*as_other, control, "-D", f"{folder}/data", "-m", "immediate", "stop"], cwd=folder)
        shutil.rmtree(folder)
