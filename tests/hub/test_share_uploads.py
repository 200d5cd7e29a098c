"""Shares in pieces: however they are cut and interrupted, what comes out is what was sent, and the disk is bounded."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases import ServiceError
from hub.aggregator.share_uploads import ShareUploads, WrongOffsetError
from privacy.secure_sum import ShareError

LIMIT = 64


@given(data=st.binary(min_size=1, max_size=LIMIT), sizes=st.lists(st.integers(0, 20), max_size=12), again=st.booleans())
@settings(max_examples=40, deadline=None)
def test_any_cut_gives_the_message_back(data: bytes, sizes: list[int], again: bool) -> None:
    with TemporaryDirectory() as folder:
        offset = 0
        for size in [*sizes, LIMIT]:
            uploads = ShareUploads(Path(folder), limit_bytes=LIMIT)  # as after a restart
            assert uploads.offset("north", 3) == offset
            if again and offset:
                with pytest.raises(WrongOffsetError) as wrong:  # a request that is sent once more
                    uploads.put("north", 3, data[:offset], offset=0, total=len(data))
                assert wrong.value.offset == offset
            piece = data[offset : offset + size]
            whole = uploads.put("north", 3, piece, offset=offset, total=len(data))
            if offset + len(piece) == len(data):
                assert whole == data
                assert uploads.offset("north", 3) == offset  # the last piece is kept by whoever keeps the message
                return
            assert whole is None
            offset += len(piece)


def test_what_is_too_long_is_dropped(tmp_path: Path) -> None:
    uploads = ShareUploads(tmp_path, limit_bytes=LIMIT)
    uploads.put("north", 0, b"abc", offset=0, total=9)
    uploads.put("south", 0, b"abc", offset=0, total=9)
    with pytest.raises(ShareError, match="at most 64 bytes, and those announced"):
        uploads.put("north", 0, b"defghijk", offset=3, total=9)
    with pytest.raises(ShareError, match="at most 64 bytes"):
        uploads.put("east", 0, b"a", offset=0, total=LIMIT + 1)
    assert [uploads.offset(site, 0) for site in ("north", "south", "east")] == [0, 3, 0]


def test_a_site_has_a_bounded_number_of_files_and_loses_the_oldest(tmp_path: Path) -> None:
    uploads = ShareUploads(tmp_path, limit_bytes=LIMIT)
    for epoch in range(12):
        uploads.put("north", epoch, b"abc", offset=0, total=9)
        os.utime(tmp_path / f"north.{epoch}.part", (1000 + epoch, 1000 + epoch))
    uploads.put("north-2", 0, b"abc", offset=0, total=9)
    assert [epoch for epoch in range(12) if uploads.offset("north", epoch)] == list(range(4, 12))
    assert uploads.offset("north-2", 0) == 3


def test_what_nobody_continues_is_forgotten(tmp_path: Path) -> None:
    uploads = ShareUploads(tmp_path, limit_bytes=LIMIT)
    for site, changed in (("north", 100), ("south", 200)):
        uploads.put(site, 0, b"abc", offset=0, total=9)
        os.utime(tmp_path / f"{site}.0.part", (changed, changed))
    assert uploads.clean(before=150) == 1
    assert [uploads.offset(site, 0) for site in ("north", "south")] == [0, 3]


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ServiceError, match="uploads_directory cannot be used"):
        ShareUploads(tmp_path / "file", limit_bytes=LIMIT)
    uploads = ShareUploads(tmp_path / "folder", limit_bytes=LIMIT)
    (tmp_path / "folder").rmdir()
    with pytest.raises(ServiceError, match="uploads_directory cannot be used"):
        uploads.put("north", 0, b"abc", offset=0, total=9)
