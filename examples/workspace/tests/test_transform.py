from datetime import date

from etl.transform import cost_per_km, parse_date


def test_iso_dates():
    assert parse_date("2026-03-04") == date(2026, 3, 4)


def test_german_dates():
    assert parse_date("04.03.2026") == date(2026, 3, 4)


def test_cost_per_km():
    assert cost_per_km(1200, 300) == 4


# TODO: a distance of zero
