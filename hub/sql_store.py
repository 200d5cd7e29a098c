"""A SQL database of ours, SQLite or PostgreSQL, through one code path: made on first use, versioned, durable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, Table, create_engine, event, insert, inspect, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from cases import ConfigurationError, ServiceError
from hub.append_only import append_only_statements

__all__ = ["SqlStore"]

_WRITES = "kelsey_writes"


class SqlStore:
    """Transactions on a database, whose tables it creates on first use.

    Parameters
    ----------
    database_url
        ``sqlite://`` (in memory, one thread), ``sqlite:///file`` or ``postgresql+pg8000://user:password@host/name``.
    metadata
        All tables, `version_table` among them.
    version_table
        Has one row with one column ``version``.
    version
        What stands there; a database with another one is refused.
    append_only
        Tables whose rows triggers keep as they are.
    first_rows
        Rows that a new database begins with, by table.

    Raises
    ------
    ConfigurationError
        The URL is no URL, names another kind of database, or the database has another schema version.
    ServiceError
        The database does not answer.
    """

    def __init__(
        self,
        database_url: str,
        *,
        metadata: MetaData,
        version_table: Table,
        version: int,
        append_only: Sequence[Table] = (),
        first_rows: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._metadata = metadata
        self._version_table = version_table
        self._version = version
        self._append_only = append_only
        self._first_rows = first_rows or {}
        try:
            url = make_url(database_url)
        except ArgumentError as error:
            raise ConfigurationError("database_url is not a SQLAlchemy URL", hint=_URL_HINT) from error
        if url.get_backend_name() == "postgresql":
            url = url.set(drivername="postgresql+pg8000")
            self._engine = create_engine(url, pool_pre_ping=True)
            # The driver sends many rows one by one; in statements of many rows it is three times as fast.
            self._engine.dialect.use_insertmanyvalues_wo_returning = True
        elif url.get_backend_name() == "sqlite":
            self._engine = _sqlite_engine(database_url)
        else:
            raise ConfigurationError(f"database_url names {url.get_backend_name()!r}", hint=_URL_HINT)
        try:
            self._prepare()
        except (SQLAlchemyError, OSError) as error:
            self._engine.dispose()
            raise ServiceError(
                f"the database at {url.render_as_string(hide_password=True)} does not answer",
                hint="check database_url, that the server runs, and that the user may create tables",
            ) from error
        except ConfigurationError:
            self._engine.dispose()
            raise

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._engine.dialect.name

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection to read with; nothing written through it is kept."""
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        with self._engine.connect().execution_options(**{_WRITES: True}) as connection, connection.begin():
            yield connection

    def lock(self, connection: Connection, name: str) -> None:
        """Let no other transaction past the same `name` until this one ends. SQLite has one writer at a time anyway."""
        if self.dialect == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})

    def check(self) -> None:
        """Ask the database for a sign of life. Raises `ServiceError` where there is none."""
        try:
            with self.read() as connection:
                connection.execute(text("SELECT 1"))
        except (SQLAlchemyError, OSError) as error:
            raise ServiceError("the database does not answer") from error

    def close(self) -> None:
        """Close every connection; an in-memory database ends with it."""
        self._engine.dispose()

    def _prepare(self) -> None:
        with self.write() as connection:
            self.lock(connection, "schema")  # two that start together create the tables once
            if inspect(connection).has_table(self._version_table.name):
                version = connection.execute(select(self._version_table.c.version)).scalar_one()
                if version != self._version:
                    raise ConfigurationError(
                        f"the database has schema version {version}, this program knows {self._version}",
                        hint="run the version that wrote it, or give this one a database of its own",
                    )
                return
            self._metadata.create_all(connection)
            for statement in append_only_statements(self._append_only, self.dialect):
                connection.exec_driver_sql(statement.replace("%", "%%") if self.dialect == "postgresql" else statement)
            connection.execute(insert(self._version_table).values(version=self._version))
            for name, values in self._first_rows.items():
                connection.execute(insert(self._metadata.tables[name]).values(**values))


_URL_HINT = "use sqlite:///path/to/hub.sqlite or postgresql+pg8000://user:password@host/database"


def _sqlite_engine(database_url: str) -> Engine:
    if make_url(database_url).database in (None, "", ":memory:"):
        engine = create_engine(database_url, poolclass=StaticPool, connect_args={"check_same_thread": False})
    else:
        engine = create_engine(database_url, connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: object) -> None:  # a DBAPI connection has no common type
        connection.isolation_level = None  # transactions are begun below, not by the driver's guess
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A writer takes its lock at once: one that read first and wrote later would fail instead of wait.
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
