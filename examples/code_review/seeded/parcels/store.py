"""Parcels and where they were seen, in SQLite."""

import sqlite3

COLUMNS = ("code", "place", "seen_at")


def find(database, code):
    """The parcel's last place; none when there is no such parcel."""
    with sqlite3.connect(database) as connection:
        rows = connection.execute(
            f"SELECT code, place, seen_at FROM events WHERE code = '{code}' ORDER BY seen_at DESC LIMIT 1"
        )
        row = rows.fetchone()
    return None if row is None else dict(zip(COLUMNS, row))


def record(database, code, place):
    """One more place where a parcel was seen."""
    with sqlite3.connect(database) as connection:
        connection.execute(
            "INSERT INTO events (code, place, seen_at) VALUES (?, ?, datetime('now'))",
            (code, place),
        )


def create(database):
    """An empty database."""
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE events (code TEXT, place TEXT, seen_at TEXT)")
