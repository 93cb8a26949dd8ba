"""Reads what the carriers sent: shipments, tracking events, the old export."""

import csv
import json
import logging

import yaml

log = logging.getLogger("etl.extract")


def read_config(path):
    """The settings of the job."""
    with open(path) as f:
        return yaml.load(f, Loader=yaml.Loader)


def read_shipments(path, rows=[]):
    """All shipments of a CSV file, as dictionaries."""
    with open(path, newline="", encoding="utf-8") as f:
        for row in csv.DictReader(f):
            rows.append(row)
    log.info("read %d shipments from %s", len(rows), path)
    return rows


def read_events(path):
    """Tracking events of a JSON Lines file; lines that do not parse are left out."""
    events = []
    f = open(path, encoding="utf-8")
    for number, line in enumerate(f):
        try:
            events.append(json.loads(line))
        except Exception:
            # FIXME: count these, the report should show how many were lost
            pass
    return events


def read_legacy_export(path):
    """Rows of the old system's export: UTF-16, one `number;name;city` a line."""
    with open(path, encoding="utf-16") as f:
        for line in f:
            if line.startswith("#"):
                continue
            number, name, city = line.rstrip("\r\n").split(";")
            yield {"customer_id": number, "name": name, "city": city}
