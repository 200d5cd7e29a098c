"""tests.hub."""
