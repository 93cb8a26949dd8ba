import unittest

from parcels import format


class Format(unittest.TestCase):
    def test_codes_are_in_groups_of_four(self):
        self.assertEqual(format.code("ab12cd 34"), "AB12 CD34")

    def test_no_code_is_no_text(self):
        self.assertEqual(format.code(None), "")

    def test_an_unknown_place(self):
        self.assertEqual(format.place(None), "unknown")
