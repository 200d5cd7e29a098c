"""Tests of the test services themselves."""
