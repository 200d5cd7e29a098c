"""Shares that have not arrived completely: one file a site and epoch, to be continued after any interruption."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from cases import ServiceError
from privacy.secure_sum import ShareError, ShareFault

__all__ = ["CHUNK_LIMIT_BYTES", "ShareUploads", "WrongOffsetError"]

CHUNK_LIMIT_BYTES = 1 << 20
"""Most bytes of a piece, so that many sites at once need little memory."""

_PER_SITE = 8  # files at a time; a site that begins more loses the oldest


class WrongOffsetError(Exception):
    """A piece does not begin where the file ends.

    Parameters
    ----------
    offset
        Where it ends.
    """

    def __init__(self, offset: int) -> None:
        super().__init__(f"the next piece begins at {offset}")
        self.offset = offset


class ShareUploads:
    """The files.

    The last piece is never written: it is given back with all before it. So a file is never complete, and whoever
    continues always has a piece to send that is answered with a receipt.

    Parameters
    ----------
    folder
        Of this aggregator alone; made where it is missing.
    limit_bytes
        Longest share.

    Raises
    ------
    ServiceError
        The folder cannot be made or used, here and in every method.
    """

    def __init__(self, folder: Path, *, limit_bytes: int) -> None:
        self._folder = folder
        self._limit = limit_bytes
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(error) from error

    def offset(self, site: str, epoch: int) -> int:
        """Bytes that are here; the next piece begins there."""
        try:
            return self._path(site, epoch).stat().st_size
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise _unusable(error) from error

    def put(self, site: str, epoch: int, chunk: bytes, *, offset: int, total: int) -> bytes | None:
        """Add a piece, durably; with the last one, the whole message.

        Raises
        ------
        WrongOffsetError
            Less or more is here than `offset`; nothing was changed.
        ShareError
            Longer than a share can be, or than `total`; what was here is dropped.
        """
        path = self._path(site, epoch)
        with self._lock:
            if (known := self.offset(site, epoch)) != offset:
                raise WrongOffsetError(known)
            try:
                if not (total <= self._limit and offset + len(chunk) <= total):
                    path.unlink(missing_ok=True)
                    raise ShareError(ShareFault.LENGTH, f"a share has at most {self._limit} bytes, and those announced")
                if offset + len(chunk) == total:
                    return (path.read_bytes() if offset else b"") + chunk
                with path.open("ab") as file:
                    file.write(chunk)
                    file.flush()
                    os.fsync(file.fileno())
                self._keep_newest(site)
            except OSError as error:
                raise _unusable(error) from error
        return None

    def drop(self, site: str, epoch: int) -> None:
        """Forget what is here of a share."""
        with self._lock:
            self._path(site, epoch).unlink(missing_ok=True)

    def clean(self, *, before: float) -> int:
        """Drop files that nobody continued since `before`, seconds since 1970; returns how many."""
        stale = [path for path, changed in self._files("*") if changed < before]
        for path in stale:
            path.unlink(missing_ok=True)
        return len(stale)

    def _path(self, site: str, epoch: int) -> Path:
        return self._folder / f"{site}.{epoch}.part"

    def _files(self, site: str) -> list[tuple[Path, float]]:
        found = []
        for path in self._folder.glob(f"{site}.*.part"):
            try:
                found.append((path, path.stat().st_mtime))
            except FileNotFoundError:
                continue  # completed meanwhile
        return found

    def _keep_newest(self, site: str) -> None:
        for path, _ in sorted(self._files(site), key=lambda each: each[1])[:-_PER_SITE]:
            path.unlink(missing_ok=True)


def _unusable(error: OSError) -> ServiceError:
    return ServiceError(f"uploads_directory cannot be used: {error.strerror}", hint="is the disk full?")
