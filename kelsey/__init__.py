"""kelsey."""
