"""The vocabulary that ships: common ingredients and plain-English reactions, for the demo and for first steps.

``pv_core.csv`` is ours (CC0). Ingredient codes are RxNorm identifiers, which the U.S. National Library of Medicine
makes and places in the public domain; this product uses publicly available data courtesy of the NLM, which is not
responsible for the product and does not endorse it. Reaction codes (``PVX:...``) and wording are our own. A site
that reports for real configures its own licensed terminology instead.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from io import StringIO

from cases import Code, TermKind, Vocabulary

__all__ = ["default_vocabulary", "preferred_codes"]


def _table() -> str:
    return files("connectors").joinpath("pv_core.csv").read_text(encoding="utf-8")


@cache
def default_vocabulary() -> Vocabulary:
    """The vocabulary ``pv-core``; read once, then the same object.

    Examples
    --------
    >>> from cases import TermKind
    >>> default_vocabulary().find(TermKind.REACTION, text="melaena").name
    'Gastrointestinal bleeding'
    """
    return Vocabulary.from_csv(_table(), name="pv-core")


def preferred_codes(kind: TermKind) -> Mapping[str, Code]:
    """The code of every preferred name of ``pv-core``, for whoever writes records (the generator)."""
    rows = csv.DictReader(StringIO(_table()))
    return {row["name"]: Code(row["system"], row["code"]) for row in rows if row["kind"] == kind and row["code"]}
