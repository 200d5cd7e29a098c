"""Triggers that make a table a record: rows are added, never changed and never deleted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Table

from cases import ParameterError

__all__ = ["append_only_statements"]


def append_only_statements(tables: Sequence[Table], dialect: str) -> Iterator[str]:
    """SQL that makes `tables` append-only in `dialect` ("sqlite" or "postgresql").

    Table names come from the schema in code, never from outside. Raises `ParameterError` for another dialect.
    """
    if dialect == "sqlite":
        for table in tables:
            for verb in ("UPDATE", "DELETE"):
                yield (
                    f"CREATE TRIGGER IF NOT EXISTS {table.name}_no_{verb.lower()} BEFORE {verb} ON {table.name} "
                    f"BEGIN SELECT RAISE(ABORT, '{table.name} is append-only'); END"
                )
    elif dialect == "postgresql":
        yield (
            "CREATE OR REPLACE FUNCTION kelsey_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' is append-only'; END $$"
        )
        for table in tables:
            yield f"DROP TRIGGER IF EXISTS {table.name}_append_only ON {table.name}"
            yield (
                f"CREATE TRIGGER {table.name}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table.name} "
                "FOR EACH STATEMENT EXECUTE FUNCTION kelsey_append_only()"
            )
    else:
        raise ParameterError(f"the hub's database must be SQLite or PostgreSQL, not {dialect!r}")
