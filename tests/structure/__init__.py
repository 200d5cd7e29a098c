"""Checks of the repository as a whole: arrows between rooms, public names, what ships, what is documented."""
