import os
import tempfile
import unittest

from parcels import store


class Store(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.database = os.path.join(self.folder.name, "parcels.db")
        store.create(self.database)

    def tearDown(self):
        self.folder.cleanup()

    def test_the_last_place_counts(self):
        store.record(self.database, "AB12", "Hamburg")
        self.assertEqual(store.find(self.database, "AB12")["place"], "Hamburg")

    def test_an_unknown_code(self):
        self.assertIsNone(store.find(self.database, "ZZ99"))
