"""Turns raw rows into rows that can be loaded."""

import logging
from datetime import datetime

log = logging.getLogger("etl.transform")

DATE_FORMATS = ("%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y")


def parse_date(text):
    """The first format that fits wins, so 03/04/2026 is the third or the fourth of a month."""
    for fmt in DATE_FORMATS:
        try:
            return datetime.strptime(text.strip(), fmt).date()
        except ValueError:
            continue
    return None


def cost_per_km(cost_cents, distance_km):
    """What a kilometre of this shipment cost, in cents."""
    return cost_cents / distance_km


def normalise(row, config):
    """One shipment, with types instead of strings."""
    cost = float(row["cost_eur"]) * 100
    shipment = {
        "shipment_id": row["shipment_id"].strip(),
        "customer_id": row["customer_id"],
        "carrier": row["carrier"].lower(),
        "shipped_on": parse_date(row["shipped_on"]),
        "weight_kg": float(row["weight_kg"] or 0),
        "distance_km": float(row["distance_km"] or 0),
        "cost_cents": int(cost),
        "destination": row["destination"],
    }
    shipment["cost_per_km"] = cost_per_km(shipment["cost_cents"], shipment["distance_km"])
    shipment["freight"] = shipment["weight_kg"] > config["transform"]["freight_limit_kg"]
    if shipment["carrier"] not in config["transform"]["carriers"]:
        log.warning("unknown carrier %s in %s", shipment["carrier"], shipment["shipment_id"])
    return shipment


def normalise_all(rows, config):
    """All shipments that could be understood, and how many could not."""
    good, bad = [], 0
    for row in rows:
        try:
            good.append(normalise(row, config))
        except ZeroDivisionError:
            raise
        except Exception as error:
            log.error("row dropped: %s", error)
            bad += 1
    return good, bad


def latest_event(events):
    """The newest event of each shipment."""
    newest = {}
    for event in events:
        known = newest.get(event["shipment_id"])
        # TODO: timestamps come in several time zones, compare them as instants
        if known is None or event["at"] > known["at"]:
            newest[event["shipment_id"]] = event
    return newest
