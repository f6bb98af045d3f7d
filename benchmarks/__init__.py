"""Measurements: each module prints a table, with the peers side by side where there are any."""
