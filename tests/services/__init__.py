"""The real services that tests run against: how each is installed, started and stopped."""
