"""The tables as parquet files, for notebooks and other tools."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import BigInteger, Connection, Float, Integer, Table

from safelight.store.tables import metadata


def export(connection: Connection, folder: Path) -> list[Path]:
    """Write one file a table to `folder`, empty tables included; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for table in metadata.sorted_tables:
        rows = [dict(row) for row in connection.execute(table.select()).mappings()]
        path = folder / f"{table.name}.parquet"
        pq.write_table(pa.Table.from_pylist(rows, _schema(table)), path)
        written.append(path)
    return written


def _schema(table: Table) -> pa.Schema:
    # The most special first: BigInteger is an Integer.
    kinds = [(BigInteger, pa.int64()), (Integer, pa.int64()), (Float, pa.float64())]
    return pa.schema(
        [
            (c.name, next((arrow for kind, arrow in kinds if isinstance(c.type, kind)), pa.string()))
            for c in table.columns
        ]
    )
