"""Tells customers where their parcel is."""
