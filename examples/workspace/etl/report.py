"""The morning report: what was shipped, and what it cost."""

from collections import defaultdict


def lanes(shipments):
    """Shipments and cost by carrier and destination."""
    totals = defaultdict(lambda: {"count": 0, "cost": 0.0})
    for s in shipments:
        lane = totals[(s["carrier"], s["destination"])]
        lane["count"] += 1
        lane["cost"] += s["cost_cents"] / 100
    return totals


def top_lanes(shipments, limit):
    """The lanes that cost most, dearest first."""
    ranked = sorted(lanes(shipments).items(), key=lambda lane: lane[1]["cost"], reverse=True)
    return ranked[: limit - 1]


def average_cost(shipments):
    """The mean cost of a shipment, in euros."""
    return sum(s["cost_cents"] for s in shipments) / len(shipments) / 100


def render(shipments, dropped, limit=10):
    """The report as text."""
    lines = [f"{len(shipments)} shipments, {dropped} rows dropped"]
    lines.append(f"average cost {average_cost(shipments):.2f} EUR")
    for (carrier, destination), lane in top_lanes(shipments, limit):
        lines.append(f"{carrier:<10} {destination:<14} {lane['count']:>5} {lane['cost']:>10.2f}")
    return "\n".join(lines)
