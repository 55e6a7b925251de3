"""Calls that have not been made yet, as data."""
