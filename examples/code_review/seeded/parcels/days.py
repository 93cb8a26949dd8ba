"""How long a parcel takes."""

from datetime import date, timedelta

WEEKEND = (5, 6)


def arrival(sent: date, days: int) -> date:
    """The working day on which a parcel arrives."""
    day = sent
    while days > 0:
        day += timedelta(days=1)
        if day.weekday() not in WEEKEND:
            days -= 1
    return day
