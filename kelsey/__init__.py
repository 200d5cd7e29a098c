"""Composition root: the command line, the demonstration, the back-test and the pages they write."""
