"""Reading settings files, and the files they name; every error says which setting is meant."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from cases import ConfigurationError

__all__ = ["load_settings", "read_file", "split_address"]

_Settings = TypeVar("_Settings", bound=msgspec.Struct)


def read_file(path: Path, what: str) -> bytes:
    """Content of a file; raises `ConfigurationError`, naming the setting `what`."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{what}: {path}: {error.strerror}") from error


def split_address(listen: str, setting: str) -> tuple[str, int]:
    """Host and port of ``host:port``, an IPv6 host without its brackets; raises ValueError for anything else."""
    host, _, port = listen.rpartition(":")
    if not (host and port.isdigit() and int(port) < 65536):
        raise ValueError(f"{setting} must be host:port")
    return host.strip("[]"), int(port)


def load_settings(path: Path | str, kind: type[_Settings], *, page: str) -> _Settings:
    """Read a TOML file into `kind`; relative paths in it are relative to its folder.

    Raises `ConfigurationError`, naming the file and the setting, for anything that is missing, unknown or out of
    range; `page` is the document that lists the settings.
    """
    path = Path(path)
    try:
        tables = tomllib.loads(read_file(path, "settings").decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not TOML: {error}") from error

    def convert(wanted: type, value: Any) -> Any:  # msgspec's hook is typed so
        if wanted is Path or issubclass(wanted, Path):
            return (path.parent / value).absolute()
        raise NotImplementedError

    try:
        return msgspec.convert(tables, kind, dec_hook=convert)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{path}: {error}", hint=f"{page} lists every setting") from error
