"""The profiler of `examples/data_quality` beside pyarrow: the same table, read in two ways.

    python tests/examples/profile_table.py MILLIONS BINARY      once by hand, with a table of so many million rows
"""

import os
import pathlib
import sys
import tempfile
import time

import harness

ROWS = 60_000
GROUP = 10_000
BINARY = os.environ.get("MCP_WORKSPACE_DATA_BINARY")
HERE = pathlib.Path(__file__).resolve()


def profile(report):
    """In the environment of the examples, which has pyarrow."""
    if not BINARY:
        print("SKIP profile: MCP_WORKSPACE_DATA_BINARY is not set")
        return
    command = [harness.PYTHON, HERE, str(ROWS / 1_000_000), os.path.abspath(BINARY)]
    with report.check(f"profile: {ROWS} rows are profiled as pyarrow profiles them"):
        print(harness.succeeded(harness.run(command, 300)), end="")


def make(path, rows):
    """A table with what makes profiles differ: nulls, few and many values, dates, times, text."""
    import datetime as dt

    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([
        ("id", pa.int64()), ("carrier", pa.string()), ("weight", pa.float64()), ("day", pa.date32()),
        ("booked", pa.timestamp("us", "UTC")), ("pieces", pa.int32()), ("note", pa.string()),
    ])
    random = np.random.default_rng(7)
    group = min(GROUP if rows < 1_000_000 else 1_000_000, rows)
    start = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for first in range(0, rows, group):
            count = min(group, rows - first)
            ids = np.arange(first, first + count)
            weight = np.round(random.uniform(0.1, 30.0, count), 2)
            seconds = (ids * 3).astype("timedelta64[s]")
            writer.write_table(pa.table({
                "id": ids,
                "carrier": pa.array(random.choice(["nordpost", "veloce", "alpenfracht", None], count).tolist()),
                "weight": pa.array(weight, mask=ids % 97 == 0),
                "day": (np.datetime64("2026-01-01") + ids // 50_000).astype("datetime64[D]"),
                "booked": np.datetime64(start.replace(tzinfo=None), "us") + seconds,
                "pieces": random.integers(1, 40, count).astype("int32"),
                "note": pa.array([None if n % 3 else f"note {n % 500}" for n in ids.tolist()]),
            }, schema=schema), row_group_size=group)


def expected(path, few, frequent):
    """The profile by pyarrow."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    def shown(value):
        text = value.isoformat() if hasattr(value, "isoformat") else value
        return text.replace("+00:00", "Z") if isinstance(text, str) else text

    columns, rows = {}, 0
    for name in pq.read_schema(path).names:
        values = pq.read_table(path, columns=[name])[name]
        rows = len(values)
        ends = pc.min_max(values).as_py()
        number = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
        different = pc.count_distinct(values).as_py()
        columns[name] = {
            "nulls": values.null_count, "least": shown(ends["min"]), "greatest": shown(ends["max"]),
            "mean": pc.mean(values).as_py() if number else None,
            "different": different if different <= few else f"more than {few}",
        }
        if different <= few:
            counts = [(shown(pair["values"]), pair["counts"]) for pair in pc.value_counts(values.drop_null()).to_pylist()]
            counts.sort(key=lambda pair: (-pair[1], pair[0]))
            columns[name]["frequent"] = [list(pair) for pair in counts[:frequent]]
    return rows, columns


def compare(rows, binary):
    """Both profiles, and whether a narrow question reads what it needs of the table."""
    sys.path.insert(0, str(HERE.parents[2] / "examples/data_quality"))
    profiler = harness.script("profiler", HERE.parents[2] / "examples/data_quality/profiler.py")
    with tempfile.TemporaryDirectory(prefix="mcp-workspace-profile-") as folder:
        path = pathlib.Path(folder) / "table.parquet"
        make(path, rows)
        table = profiler.Table(binary, folder, "table.parquet")
        begun = time.monotonic()
        found = table.profile()
        took = time.monotonic() - begun
        count, columns = expected(path, profiler.FEW, profiler.MOST_FREQUENT)
        assert found["rows"] == count == rows, (found["rows"], count)
        assert list(found["columns"]) == list(columns), (list(found["columns"]), list(columns))
        for name, column in columns.items():
            mean, other = column.pop("mean"), found["columns"][name].pop("mean")
            assert (mean is None) == (other is None), (name, mean, other)
            assert mean is None or abs(mean - other) <= 1e-9 * max(1.0, abs(mean)), (name, mean, other)
            assert found["columns"][name] == column, f"{name}: {found['columns'][name]} is not {column}"
        print(f"{rows} rows, {path.stat().st_size} bytes: profiled in {took:.1f} s")
        # Row groups that cannot hold what is asked for are not read.
        last = rows - 1
        begun = time.monotonic()
        narrow = table.ask(f"SELECT id, day FROM t WHERE id >= {last}")
        assert [row[0] for row in narrow["rows"]] == [last], narrow["rows"]
        assert narrow["rows_scanned"] <= rows // 2, narrow["rows_scanned"]
        print(f"one row by its key: {narrow['rows_scanned']} rows scanned in {time.monotonic() - begun:.2f} s")
        for sql in ("SELECT count(*) FROM t", "SELECT carrier, count(*), avg(weight) FROM t GROUP BY carrier"):
            begun = time.monotonic()
            scanned = table.ask(sql)["rows_scanned"]
            print(f"{scanned / (time.monotonic() - begun):,.0f} rows a second: {sql}")


if __name__ == "__main__":
    compare(int(float(sys.argv[1]) * 1_000_000), sys.argv[2])
