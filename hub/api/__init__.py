"""The hub's HTTP interface, version 1."""

from hub.api.app import create_app, create_routes

__all__ = ["create_app", "create_routes"]
