"""Files of FHIR JSON as documents: NDJSON line by line, a single document whole, gzip or plain, damaged or not.

What a file holds is found out from its bytes; its name decides only that ``.ndjson`` and ``.jsonl`` are lines.
Memory holds one line, or one single document.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from cases import DeadLetterReason

__all__ = ["MAXIMUM_DOCUMENT_BYTES", "MAXIMUM_LINE_BYTES", "Document", "documents"]

MAXIMUM_LINE_BYTES = 32 << 20
MAXIMUM_DOCUMENT_BYTES = 256 << 20
_KEPT_OF_OVERSIZED_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 18
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31
_LINE_NAMES = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz")


class Document(NamedTuple):
    """One JSON document: its line (1 for a single document), its bytes, and what is wrong with them, "" for nothing."""

    number: int
    body: bytes
    fault: str


class _Truncated(Exception):
    """The file ends inside its compression."""


def documents(path: Path) -> Iterator[Document]:
    """All documents of a file, blank lines left out.

    A compressed file that breaks off gives what came before, then one document with the fault ``truncated``; a line
    or document beyond its limit gives its first mebibyte with the fault ``oversized``; a last line that neither ends
    nor parses is ``truncated``. Other damage is for the reader to find. Raises `OSError` where the file cannot be
    opened.
    """
    chunks = _chunks(path)
    head = bytearray()
    try:
        if not path.name.lower().endswith(_LINE_NAMES):
            for chunk in chunks:
                head += chunk
                if len(head) > MAXIMUM_DOCUMENT_BYTES or b"\n" in chunk:
                    break
            if not _begins_with_a_document(head):
                for chunk in chunks:
                    head += chunk
                    if len(head) > MAXIMUM_DOCUMENT_BYTES:
                        yield Document(1, bytes(head[:_KEPT_OF_OVERSIZED_BYTES]), DeadLetterReason.OVERSIZED)
                        return
                yield Document(1, bytes(head), "")
                return
    except _Truncated:
        yield Document(1, bytes(head[:_KEPT_OF_OVERSIZED_BYTES]), DeadLetterReason.TRUNCATED)
        return
    yield from _lines(head, chunks)


def _begins_with_a_document(head: bytearray) -> bool:
    """Whether the first line is a whole document and another line follows: NDJSON under another name."""
    line, newline, rest = bytes(head).lstrip(b"\xef\xbb\xbf \r\n\t").partition(b"\n")
    if not newline or not rest.strip():
        return False
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _lines(head: bytearray, chunks: Iterator[bytes]) -> Iterator[Document]:
    buffer, number, is_skipping, fault = head, 0, False, ""
    while True:
        start = 0
        while (end := buffer.find(b"\n", start)) >= 0:
            number += 1
            if is_skipping:
                is_skipping = False
            elif line := bytes(buffer[start:end]).strip():
                yield Document(number, line, "")
            start = end + 1
        del buffer[:start]
        if len(buffer) > MAXIMUM_LINE_BYTES:
            if not is_skipping:
                yield Document(number + 1, bytes(buffer[:_KEPT_OF_OVERSIZED_BYTES]), DeadLetterReason.OVERSIZED)
            is_skipping = True
            buffer.clear()
        try:
            chunk = next(chunks, None)
        except _Truncated:
            fault, chunk = DeadLetterReason.TRUNCATED, None
        if chunk is None:
            break
        buffer += chunk
    last = b"" if is_skipping else bytes(buffer).strip()
    if fault:
        yield Document(number + 1, last, fault)
    elif last:
        yield Document(number + 1, last, "" if _is_json(last) else DeadLetterReason.TRUNCATED)


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _chunks(path: Path) -> Iterator[bytes]:
    """The file's bytes, decompressed where they are gzip; raises `_Truncated` where that breaks off or is damaged."""
    with path.open("rb") as stream:
        chunk = stream.read(_CHUNK_BYTES)
        if not chunk.startswith(_GZIP_MAGIC):
            while chunk:
                yield chunk
                chunk = stream.read(_CHUNK_BYTES)
            return
        inflater = zlib.decompressobj(_GZIP_WINDOW)
        while chunk:
            try:
                yield inflater.decompress(chunk, _CHUNK_BYTES * 4)
                chunk = inflater.unconsumed_tail
            except zlib.error as error:
                raise _Truncated from error
            if inflater.eof:
                chunk = inflater.unused_data.lstrip(b"\0") or stream.read(_CHUNK_BYTES).lstrip(b"\0")
                if chunk:
                    inflater = zlib.decompressobj(_GZIP_WINDOW)
            elif not chunk:
                chunk = stream.read(_CHUNK_BYTES)
        if not inflater.eof:
            raise _Truncated
