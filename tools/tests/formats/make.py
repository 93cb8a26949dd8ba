"""Makes the files that other writers have written, and what their rows are.

    pip install pyarrow fastavro cramjam backports.zstd && python tools/tests/formats/make.py

Each `files/X` has `files/X.rows.json`: the rows by the writer's own library, in the words in which
`read_file` gives them. The files are committed; the tests need no Python.
"""

import base64, datetime as dt, decimal, io, json, math, random, uuid
from pathlib import Path

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq

FILES = Path(__file__).parent / "files"
random.seed(7)
UTC = dt.timezone.utc


def seconds(time):
    text = time.isoformat(timespec="microseconds" if time.microsecond else "seconds")
    if time.microsecond:
        head, _, part = text.replace("+00:00", "").partition(".")
        text = f"{head}.{part.rstrip('0')}"
    return text.replace("+00:00", "")


def plain(value):
    """A Python value as `read_file` writes it."""
    match value:
        case dt.datetime():
            return seconds(value) + ("Z" if value.tzinfo else "")
        case dt.date():
            return value.isoformat()
        case dt.time():
            return seconds(value)
        case decimal.Decimal():
            return f"{value:f}"
        case uuid.UUID():
            return str(value)
        case bytes():
            return "0x" + value.hex()
        case float() if math.isnan(value):
            return "NaN"
        case float() if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        case dict():
            # An empty map looks like an empty list.
            return {key: {} if (key, part) == ("attrs", []) else plain(part) for key, part in value.items()}
        case list():
            if value and all(isinstance(part, tuple) for part in value):
                if all(isinstance(part[0], str) for part in value):
                    return {key: plain(part) for key, part in value}
                return [{"key": plain(key), "value": plain(part)} for key, part in value]
            return [plain(part) for part in value]
        case _:
            return value


def keep(name, rows):
    text = "[\n" + ",\n".join(json.dumps(plain(row), ensure_ascii=False, separators=(",", ":")) for row in rows)
    (FILES / f"{name}.rows.json").write_text(text + "\n]\n", encoding="utf-8")


def parquet(name, table, **options):
    pq.write_table(table, FILES / name, **options)
    keep(name, pq.read_table(FILES / name).to_pylist())


def scalars(count):
    start = dt.datetime(2026, 11, 24, 23, 59, 58)
    schema = pa.schema([
        pa.field("id", pa.int64(), nullable=False),
        ("flag", pa.bool_()), ("small", pa.int8()), ("byte", pa.uint8()), ("wide", pa.uint64()),
        ("single", pa.float32()), ("double", pa.float64()), ("half", pa.float16()),
        ("name", pa.string()), ("raw", pa.binary()), ("fixed", pa.binary(3)),
        ("price", pa.decimal128(9, 2)), ("huge", pa.decimal128(38, 4)), ("day", pa.date32()),
        ("at", pa.timestamp("ms", tz="UTC")), ("local", pa.timestamp("us")),
        ("clock", pa.time64("us")),
    ])
    doubles = [0.1, float("nan"), float("inf"), float("-inf"), -0.0, 1e300]
    rows = []
    for n in range(count):
        row = {
            "id": 1000 + n, "flag": n % 3 == 0, "small": n % 256 - 128, "byte": n % 256,
            "wide": 2**64 - 1 - n, "single": n / 8, "double": doubles[n % 6], "half": n / 4 % 1000,
            "name": ["Zürich", "大阪", "line\nbreak", 'quote"', ""][n % 5], "raw": bytes([n % 256, 0]),
            "fixed": b"ab" + bytes([n % 256]), "price": decimal.Decimal(n - 50) / 100,
            "huge": decimal.Decimal(n) * 10**20 + decimal.Decimal("0.0001"),
            "day": dt.date(2026, 11, 25) - dt.timedelta(days=n * 40),
            "at": (start + dt.timedelta(milliseconds=n * 997)).replace(tzinfo=UTC),
            "local": start + dt.timedelta(microseconds=n), "clock": dt.time(1, n % 60, 3),
        }
        for place, field in enumerate(schema):
            if field.nullable and (n + place) % 7 == 0:
                row[field.name] = None
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=schema)


def nested(count):
    schema = pa.schema([
        ("tags", pa.list_(pa.string())),
        ("items", pa.list_(pa.struct([("sku", pa.string()), ("sizes", pa.list_(pa.int32()))]))),
        ("attrs", pa.map_(pa.string(), pa.int64())),
        ("codes", pa.map_(pa.int32(), pa.string())),
        ("place", pa.struct([("city", pa.string()), ("at", pa.struct([("x", pa.float64())]))])),
    ])
    rows = []
    for n in range(count):
        rows.append({
            "tags": None if n % 5 == 0 else [None if t == 2 else f"t{t}" for t in range(n % 4)],
            "items": None if n % 7 == 3 else [
                None if i == 3 else {"sku": f"s{n}{i}", "sizes": None if i == 1 else list(range(i))}
                for i in range(n % 5)
            ],
            "attrs": None if n % 6 == 2 else [(f"k{i}", i) for i in range(1, n % 3)],
            "codes": [(i, None if i == 1 else str(i)) for i in range(1 + n % 2)],
            "place": None if n % 4 == 1 else {"city": "Bern", "at": None if n % 4 == 2 else {"x": n / 2}},
        })
    return pa.Table.from_pylist(rows, schema=schema)


def encodings(count):
    return pa.table({
        "number": pa.array([n * n - 7 * n for n in range(count)], pa.int64()),
        "small": pa.array([None if n % 9 == 0 else n % 50 for n in range(count)], pa.int32()),
        "path": [f"s3://bucket/year=2026/part-{n // 10:04}/{n:05}.json" for n in range(count)],
        "word": [None if n % 11 == 0 else "x" * (n % 13) for n in range(count)],
        "split": [n / 3 for n in range(count)],
    })


AVRO = {
    "type": "record", "name": "Event", "namespace": "parcels", "fields": [
        {"name": "id", "type": "long"},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["PICKUP", "DROP"]}},
        {"name": "note", "type": ["null", "string"], "default": None},
        {"name": "either", "type": ["null", "int", "string", "Kind"]},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "clock", "type": {"type": "long", "logicalType": "time-micros"}},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "key", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "raw", "type": {"type": "fixed", "name": "Raw", "size": 2}},
        {"name": "ratio", "type": "double"}, {"name": "single", "type": "float"},
        {"name": "ok", "type": "boolean"},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "counts", "type": {"type": "map", "values": "long"}},
        {"name": "next", "type": ["null", "Event"]},
    ],
}


def event(n, deep=True):
    return {
        "id": n - 3, "kind": ["PICKUP", "DROP"][n % 2], "note": None if n % 3 else f"naïve {n}",
        "either": [None, n, "text", "DROP"][n % 4],
        "at": dt.datetime(2026, 11, 24, 22, tzinfo=UTC) + dt.timedelta(milliseconds=n * 1001),
        "day": dt.date(1969, 12, 30) + dt.timedelta(days=n), "clock": dt.time(23, 59, n % 60, 5),
        "price": decimal.Decimal(n - 5) / 100 + decimal.Decimal("0.00"), "key": uuid.UUID(int=n),
        "raw": bytes([n % 256, 255]), "ratio": [0.5, float("nan"), float("-inf")][n % 3],
        "single": n / 4, "ok": n % 2 == 0, "tags": [f"t{i}" for i in range(n % 4)],
        "counts": {"a": n, "b": -n}, "next": event(n + 100, False) if deep and n % 5 == 4 else None,
    }


def avro(name, count, codec, every):
    rows = [event(n) for n in range(count)]
    with (FILES / name).open("wb") as out:
        fastavro.writer(out, fastavro.parse_schema(AVRO), rows, codec=codec, sync_interval=every, sync_marker=b"0123456789abcdef")
    with (FILES / name).open("rb") as source:
        keep(name, list(fastavro.reader(source)))


FILES.mkdir(exist_ok=True)
parquet("scalars.parquet", scalars(36), row_group_size=20, compression="snappy", data_page_size=64, write_batch_size=8)
parquet("nested.parquet", nested(21), compression="zstd", data_page_version="2.0", data_page_size=64, write_batch_size=4)
parquet("nested-v1.parquet", nested(21), row_group_size=14, compression="gzip", data_page_size=64, write_batch_size=4, use_compliant_nested_type=False)
parquet("encodings.parquet", encodings(130), compression="lz4", use_dictionary=False, data_page_size=512, write_batch_size=16, column_encoding={
    "number": "DELTA_BINARY_PACKED", "small": "DELTA_BINARY_PACKED", "path": "DELTA_BYTE_ARRAY",
    "word": "DELTA_LENGTH_BYTE_ARRAY", "split": "BYTE_STREAM_SPLIT"})
parquet("int96.parquet", pa.table({"at": pa.array([dt.datetime(2026, 11, 25, 8, 30, 0, 125000), None, dt.datetime(1931, 2, 3)], pa.timestamp("us"))}), use_deprecated_int96_timestamps=True)
pq.write_table(pa.table({"a": ["x"]}), FILES / "brotli.parquet", compression="brotli")
avro("events.avro", 25, "null", 400)
avro("deflate.avro", 15, "deflate", 1500)
avro("snappy.avro", 10, "snappy", 600)
avro("zstandard.avro", 10, "zstandard", 600)
