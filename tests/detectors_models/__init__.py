"""Online models and narrative reading."""
