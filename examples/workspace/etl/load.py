"""Writes shipments and events to the database."""

import logging
import sqlite3

log = logging.getLogger("etl.load")

SCHEMA = """
CREATE TABLE IF NOT EXISTS shipments (
    shipment_id  TEXT PRIMARY KEY,
    customer_id  TEXT,
    carrier      TEXT,
    shipped_on   TEXT,
    weight_kg    REAL,
    distance_km  REAL,
    cost_cents   INTEGER,
    cost_per_km  REAL,
    freight      INTEGER,
    destination  TEXT
);
CREATE TABLE IF NOT EXISTS events (
    event_id     TEXT PRIMARY KEY,
    shipment_id  TEXT,
    kind         TEXT,
    at           TEXT
);
"""


def connect(path):
    """An open database with the tables in place."""
    connection = sqlite3.connect(path)
    connection.executescript(SCHEMA)
    return connection


def load_shipments(connection, shipments):
    """Inserts shipments; one that is there already is replaced."""
    for s in shipments:
        connection.execute(
            f"INSERT OR REPLACE INTO shipments VALUES ('{s['shipment_id']}', "
            f"'{s['customer_id']}', '{s['carrier']}', '{s['shipped_on']}', {s['weight_kg']}, "
            f"{s['distance_km']}, {s['cost_cents']}, {s['cost_per_km']}, {int(s['freight'])}, "
            f"'{s['destination']}')"
        )
    log.info("loaded %d shipments", len(shipments))


def load_events(connection, events):
    """Inserts events, in one transaction."""
    with connection:
        connection.executemany(
            "INSERT OR IGNORE INTO events VALUES (:event_id, :shipment_id, :kind, :at)", events
        )
    log.info("loaded %d events", len(events))


def shipments_of(connection, customer_id, order="shipped_on"):
    """The shipments of a customer, ordered by a column."""
    query = "SELECT * FROM shipments WHERE customer_id = '" + customer_id + "' ORDER BY " + order
    return connection.execute(query).fetchall()


def delete_before(connection, day):
    """Forgets shipments that are older than a day (`YYYY-MM-DD`)."""
    connection.execute("DELETE FROM shipments WHERE shipped_on < ?", (day,))
    connection.commit()
