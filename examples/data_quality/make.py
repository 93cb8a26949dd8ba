"""Makes the data of this example and `defects.json`, the list of the defects seeded in it.

    pip install pyarrow fastavro && python examples/data_quality/make.py
"""

import datetime as dt, decimal, gzip, io, json, random
from pathlib import Path

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent
INPUT = HERE / "workspace/input"
UTC = dt.timezone.utc
random.seed(11)
defects = []


def defect(agent, rule_id, path, **where):
    defects.append({"agent": agent, "rule_id": rule_id, "path": f"input/{path}", **where})


# Warehouse: a table of shipments and one of carriers.
carriers = [f"C{n:02}" for n in range(1, 9)]
pq.write_table(
    pa.table({"carrier_id": carriers, "name": [f"Carrier {c}" for c in carriers], "country": ["CH", "DE", "FR", "IT"] * 2}),
    INPUT / "warehouse/carriers.parquet", compression="zstd",
)
rows = []
for n in range(1, 241):
    booked = dt.date(2026, 11, 1) + dt.timedelta(days=n // 10)
    rows.append({
        "shipment_id": f"S{n:04}", "carrier_id": carriers[n * 5 % 8],
        "status": ["booked", "in_transit", "delivered"][n % 3],
        "weight_kg": round(random.uniform(0.2, 30), 2), "cost_eur": decimal.Decimal(300 + n * 7) / 100,
        "booked_at": dt.datetime.combine(booked, dt.time(n % 24, 15), UTC),
        "delivered_on": booked + dt.timedelta(days=2) if n % 3 == 2 else None,
        "labels": ["fragile"] if n % 17 == 0 else [],
    })
for row in (31, 118, 204):
    rows[row - 1]["weight_kg"] = None
rows[87]["shipment_id"] = rows[41]["shipment_id"]
rows[150]["status"] = "delivrd"
rows[9]["carrier_id"] = "C99"
path = "warehouse/shipments.parquet"
defect("profiler", "not_null/shipments.weight_kg", path, rows=[31, 118, 204])
defect("profiler", "unique/shipments.shipment_id", path, rows=[42, 88])
defect("profiler", "accepted_values/shipments.status", path, rows=[151])
defect("profiler", "relationships/shipments.carrier_id", path, rows=[10])
schema = pa.schema([
    pa.field("shipment_id", pa.string(), nullable=False), ("carrier_id", pa.string()), ("status", pa.string()),
    ("weight_kg", pa.float64()), ("cost_eur", pa.decimal128(9, 2)), ("booked_at", pa.timestamp("ms", tz="UTC")),
    ("delivered_on", pa.date32()), ("labels", pa.list_(pa.string())),
])
pq.write_table(pa.Table.from_pylist(rows, schema=schema), INPUT / path, row_group_size=100, compression="snappy")

# dbt: a column that is not there, and a model that hides what is missing.
SCHEMA = """\
version: 2

models:
  - name: carriers
    columns:
      - name: carrier_id
        tests: [unique, not_null]
      - name: country
        tests:
          - accepted_values: {values: [CH, DE, FR, IT]}

  - name: shipments
    columns:
      - name: shipment_id
        tests: [unique, not_null]
      - name: carrier_id
        tests:
          - relationships: {to: carriers, field: carrier_id}
      - name: status
        tests:
          - accepted_values: {values: [booked, in_transit, delivered, lost]}
      - name: weight_kg
        tests: [not_null]
      - name: delivered_at
        description: the day on which the parcel was handed over
"""
MODEL = """\
-- One row a shipment, as billing reads it.
select
    shipment_id,
    carrier_id,
    status,
    coalesce(weight_kg, 0) as weight_kg,
    cost_eur,
    booked_at,
    delivered_on
from {{ source('warehouse', 'shipments') }}
"""
(INPUT / "models/schema.yml").write_text(SCHEMA)
(INPUT / "models/billing.sql").write_text(MODEL)
defect("dbt-reviewer", "dbt/column-missing", "models/schema.yml", line=SCHEMA.splitlines().index("      - name: delivered_at") + 1)
defect("dbt-reviewer", "dbt/null-hidden", "models/billing.sql", line=MODEL.splitlines().index("    coalesce(weight_kg, 0) as weight_kg,") + 1)

# Events: Avro as the scanners send it, JSON lines as the partner sends it.
AVRO = {"type": "record", "name": "Scan", "fields": [
    {"name": "shipment_id", "type": "string"},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "place", "type": ["null", {"type": "record", "name": "Place", "fields": [{"name": "city", "type": "string"}, {"name": "dock", "type": "int"}]}]},
]}
scans = [{
    "shipment_id": f"S{1 + n * 7 % 240:04}", "at": dt.datetime(2026, 11, 24, 6, tzinfo=UTC) + dt.timedelta(minutes=4 * n),
    "place": None if n % 5 == 0 else {"city": ["Bern", "Lyon", "Ulm"][n % 3], "dock": n % 9},
} for n in range(160)]
# Row 88 of the warehouse repeats S0042, so S0088 is nowhere; one more was never booked.
for scan in scans:
    if scan["shipment_id"] == "S0088":
        scan["shipment_id"] = "S0089"
scans[99]["shipment_id"] = "S9001"
with (INPUT / "events/scans.avro").open("wb") as out:
    fastavro.writer(out, fastavro.parse_schema(AVRO), scans, codec="deflate", sync_interval=2000, sync_marker=b"parcel-ledger-24")
defect("investigator", "events/unknown-shipment", "events/scans.avro", rows=[100])

lines = [json.dumps({"shipment": f"S{n:04}", "event": "handover", "minute": n % 60}) for n in range(1, 301)]
lines[76] = lines[76][:25]
lines[210] = lines[210].replace('"', "'")
with gzip.GzipFile(INPUT / "events/partner.jsonl.gz", "wb", mtime=0) as out:
    out.write(("\n".join(lines) + "\n").encode())
defect("investigator", "events/malformed-json", "events/partner.jsonl.gz", rows=[77, 211])

log = ["2026-11-25T01:00:00Z INFO nightly begins"]
for n in range(400):
    log.append(f"2026-11-25T01:{n // 60:02}:{n % 60:02}Z DEBUG batch {n}: {random.randrange(1, 9)} files checked")
log.append("2026-11-25T01:06:58Z INFO load carriers: read 8 rows, wrote 8 rows")
log.append("2026-11-25T01:06:59Z INFO load shipments: read 252 rows, wrote 252 rows")
log.append("2026-11-25T01:07:00Z INFO nightly ends")
with pa.CompressedOutputStream(str(INPUT / "logs/nightly.log.zst"), "zstd") as out:
    out.write(("\n".join(log) + "\n").encode())
defect("investigator", "load/count-mismatch", "logs/nightly.log.zst", rows=[403])

(HERE / "defects.json").write_text("[\n" + ",\n".join("  " + json.dumps(d) for d in defects) + "\n]\n")
