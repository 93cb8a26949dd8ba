"""Nightly load of shipments and tracking events."""
