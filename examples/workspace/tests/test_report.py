from etl.report import average_cost, top_lanes

SHIPMENTS = [
    {"carrier": "nordpost", "destination": "Malmö", "cost_cents": 1250},
    {"carrier": "nordpost", "destination": "Malmö", "cost_cents": 750},
    {"carrier": "veloce", "destination": "Torino", "cost_cents": 900},
]


def test_average_cost():
    assert round(average_cost(SHIPMENTS), 2) == 9.67


def test_dearest_lane_first():
    (lane, totals), *_ = top_lanes(SHIPMENTS, 2)
    assert lane == ("nordpost", "Malmö")
    assert totals["count"] == 2
