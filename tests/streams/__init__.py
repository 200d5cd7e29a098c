"""Tests of the site's streams."""
