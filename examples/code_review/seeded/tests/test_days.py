import unittest
from datetime import date

from parcels.days import arrival


class Days(unittest.TestCase):
    def test_weekends_do_not_count(self):
        self.assertEqual(arrival(date(2026, 3, 6), 1), date(2026, 3, 9))
