"""Dashboards and rules, checked by substance: each query, sent to a real seeded server, gives rows."""
