"""Read the rows of one query from a database, which it never changes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn

import numpy as np
import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from forecast.history.tables.cells import typed_columns
from forecast.history.tables.files import MOST_ROWS, refuse
from forecast.history.tables.headers import RECORDS, Header, check_width, name_columns
from forecast.history.tables.table import Kinds, RawTable, text_frame, typed_table
from forecast.scenario.errors import did_you_mean, shown

_FETCHED_ROWS = 50_000
_WAIT_SECONDS = 10
_EXTRAS: Final = {"psycopg": "pipecast[postgres]"}
_SAFE: Final = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
# Comments, text and names in quotes, and PostgreSQL's $tag$ text: none of it is a statement's end.
_QUOTED: Final = re.compile(
    r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(\w*)\$.*?\$\1\$", re.DOTALL
)
_SECRETS: Final = ("password", "sslpassword")
_READS: Final = ("select", "with", "values", "table")
URL_MUST: Final = "the address of a database, as postgresql://user@host/database"


def read_sql(url: str, query: str) -> RawTable:
    """Read what a query gives, as text; see ``read_table``.

    `${NAME}` in `url` is taken from the environment, so that no password stands in a file. The
    query is one statement that reads; the database is asked to refuse any other. Raises
    ScenarioError; no message shows a password.
    """
    address = _address(url)
    source = _called(address)
    _check_query(source, query)
    with _told(source, address):
        engine = _engine(address)
        try:
            with engine.connect() as connection:
                return _fetch(source, connection, query)
        finally:
            engine.dispose()


def _address(url: str) -> URL:
    """Take an address apart; nothing of it is shown before its password is known."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in os.environ:
            mend = "Set it in the environment, or write the value in its place."
            refuse(
                "(url)", f"${{{name}}}, which is not set", "a variable that is set", mend, 1, "url"
            )
        return os.environ[name]

    filled = _VARIABLE.sub(value, url)
    try:
        address = make_url(filled)
    except (sa.exc.ArgumentError, ValueError):
        mend = "For SQLite write sqlite:///FILE."
        refuse("(url)", "what is no address of a database", URL_MUST, mend, 1, "url")
    return address.set(drivername=_SAFE.get(address.drivername, address.drivername))


def _called(address: URL) -> str:
    """Name a database without a password, or anything that could hold one."""
    kind = address.drivername.split("+")[0]
    if kind == "sqlite":
        return f"sqlite:///{address.database or ':memory:'}"
    host = f"{address.host or ''}{f':{address.port}' if address.port else ''}"
    return f"{kind}://{host}/{address.database or ''}"


def _check_query(source: str, query: str) -> None:
    bare = _QUOTED.sub(" ", query).strip()
    mend = "Write one statement that begins with SELECT or WITH."
    if not bare:
        refuse(source, "no query", "one statement that reads", mend, 1, "query")
    statement, _, more = bare.partition(";")
    if more.strip(" \t\r\n;"):
        refuse(source, "more than one statement", "one statement that reads", mend, 1, "query")
    first = re.match(r"[\s(]*(\w*)", statement)
    word = first[1] if first else ""
    if word.lower() not in _READS:
        refuse(source, shown(word or statement[:20]), "one statement that reads", mend, 1, "query")


def _engine(address: URL) -> sa.Engine:
    kind = address.drivername.split("+")[0]
    options: dict[str, Any] = {}
    if kind == "postgresql":
        options = {"connect_args": {"connect_timeout": _WAIT_SECONDS}}
    if kind == "sqlite":
        _check_sqlite(address)
        # Only what is opened so cannot be made or changed by mistake.
        path = os.path.abspath(address.database or "").replace("?", "%3f").replace("#", "%23")
        address = sa.URL.create(
            "sqlite", database=f"file:{path}", query={"mode": "ro", "uri": "true"}
        )
    return sa.create_engine(address, poolclass=sa.pool.NullPool, **options)


def _check_sqlite(address: URL) -> None:
    source = _called(address)
    path = address.database
    if not path or path == ":memory:":
        refuse(source, "no file", "a database in a file", "Write sqlite:///FILE.", 1, "url")
    if not os.path.isfile(path):
        mend = (
            f"Check its name; it is looked for in {os.path.abspath(os.path.dirname(path) or '.')}."
        )
        refuse(source, "no such file", "a database that exists", mend, 1, "url")


def _fetch(source: str, connection: sa.Connection, query: str) -> RawTable:
    """Run the query as it is written: no colon and no percent sign in it means anything else."""
    options: dict[str, Any] = {"no_parameters": True, "stream_results": True}
    if connection.dialect.name == "postgresql":
        options["postgresql_readonly"] = True
    result = connection.execution_options(**options).exec_driver_sql(query)
    names = list(result.keys())
    check_width(source, 1, len(names))
    header = name_columns(names)
    frames: list[pd.DataFrame] = []
    kinds: list[dict[str, Kinds]] = []
    count = 0
    while part := result.fetchmany(_FETCHED_ROWS):
        count += len(part)
        if count > MOST_ROWS:
            got, mend = f"more than {MOST_ROWS:,} rows", "Ask for fewer: add a WHERE."
            refuse(source, got, f"at most {MOST_ROWS:,}", mend, 1, "query")
        cells = [list(column) for column in zip(*part, strict=True)]
        texts, found = typed_columns(dict(zip(header.names, cells, strict=True)))
        # Kept as text at once: a million rows of Python's own values take gigabytes.
        frames.append(text_frame(texts))
        kinds.append(found)
    if not frames:
        refuse(source, "a query without a row", RECORDS, "Check its WHERE.", 1, "query")
    frame = pd.concat(frames, ignore_index=True)
    return typed_table(source, header, frame, _joined(header, frames, kinds), 1)


def _joined(
    header: Header, frames: list[pd.DataFrame], kinds: list[dict[str, Kinds]]
) -> dict[str, Kinds]:
    """Put what the cells were of all parts behind each other, for columns where any is known."""
    found = {}
    for name in header.names:
        if any(name in part for part in kinds):
            found[name] = np.concatenate(
                [
                    part.get(name, np.zeros(len(frame), dtype=np.int8))
                    for frame, part in zip(frames, kinds, strict=True)
                ]
            )
    return found


@contextmanager
def _told(source: str, address: URL) -> Iterator[None]:
    """Turn what a database or its driver complains of into one line."""
    try:
        yield
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get(error.name or "")
        what = extra or error.name or "its driver"
        must = f"a database whose driver is installed ({error.name} is not)"
        refuse(source, "no driver", must, f"Install it with: pip install '{what}'.", 1, "url")
    except sa.exc.NoSuchModuleError:
        kind = address.drivername
        mend = did_you_mean(kind, ("postgresql", "sqlite", "mysql", "mssql", "oracle"))
        refuse(source, f"the database {shown(kind)}", URL_MUST, mend or "Check its name.", 1, "url")
    except sa.exc.DBAPIError as error:
        _refuse_database(source, address, error)
    except (sa.exc.SQLAlchemyError, ValueError, ArithmeticError) as error:
        said = f"It says: {_plain(str(error), address)}."
        refuse(source, "a query that failed", "one that the database answers", said, 1, "query")


def _refuse_database(source: str, address: URL, error: sa.exc.DBAPIError) -> NoReturn:
    primary = getattr(getattr(error.orig, "diag", None), "message_primary", None)
    said = f"It says: {_plain(primary or str(error.orig), address)}."
    if error.statement is None:
        mend = f"Check host, name, user and password. {said}"
        refuse(source, "no connection", "a database that answers", mend, 1, "url")
    got = "a query that the database refuses"
    refuse(source, got, "one statement that reads", said, 1, "query")


def _plain(text: str, address: URL) -> str:
    """Make one line of a driver's words: their first, with no password in it."""
    secrets = [address.password, *(address.query.get(key) for key in _SECRETS)]
    for secret in secrets:
        if secret:
            text = text.replace(str(secret), "***")
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    return lines[0].rstrip(".:") if lines else "nothing"
