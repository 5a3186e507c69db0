"""The answer to one query of a PostgreSQL database, read only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo, sql

from apps.core import egress
from apps.datasets.sources.contracts import Fetched, Field, checked, refuse

TITLE = "PostgreSQL database"
FIELDS = (
    Field("host", "Host", most=255),
    Field("port", "Port", "5432 unless given.", required=False, most=5),
    Field("dbname", "Database", most=63),
    Field("user", "User", "A user that may only read is best.", most=63),
    Field(
        "query",
        "Query",
        "One SELECT whose columns are those of the data set. {since} stands for the time of the last fetch.",
        most=10_000,
        long=True,
    ),
    Field("password", "Password", required=False, secret=True),
)
STATEMENT_MS = 300_000
CONNECT_SECONDS = 10
SINCE = "{since}"
FIRST = "1970-01-01T00:00:00+00:00"


def check_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Host, database, user and one query."""
    values = checked(FIELDS, config)
    port = values.get("port") or "5432"
    if not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise refuse("port", "Port must be a number from 1 to 65535.")
    query = values["query"].rstrip("; \n\t")
    if not query.lower().lstrip("( \n\t").startswith(("select", "with", "values", "table")):
        raise refuse("query", "The query must be one SELECT.")
    return {**values, "port": port, "query": query}


def fetch(
    config: Mapping[str, Any],
    secret: Mapping[str, Any],
    into: Path,
    *,
    limit_bytes: int,
    marker: Mapping[str, Any],
) -> Fetched | None:
    """The query's rows as CSV, in a transaction that can only read; None where there is no row."""
    host = config["host"]
    address = egress.addresses(host, int(config["port"]))[0]
    try:
        with psycopg.connect(_dsn(config, secret, address), autocommit=True) as connection:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            connection.execute(sql.SQL("SET LOCAL statement_timeout = {}").format(STATEMENT_MS))
            moment = connection.execute("SELECT now()").fetchone()
            rows = _copy(connection, config, str(marker.get("since") or FIRST), into, limit_bytes)
            connection.execute("ROLLBACK")
    except psycopg.Error as error:
        raise egress.CallFailed(host=host, reason=_said(error, secret)) from None
    assert moment is not None
    seen = {"since": moment[0].isoformat()}
    return Fetched(into, f"{config['dbname']}.csv", seen) if rows else None


def _copy(
    connection: psycopg.Connection[Any],
    config: Mapping[str, Any],
    since: str,
    into: Path,
    limit_bytes: int,
) -> int:
    """Rows that came. COPY takes one query, so a second statement is refused by the server."""
    text = sql.SQL("COPY (\n{}\n) TO STDOUT WITH (FORMAT csv, HEADER)").format(
        sql.SQL(sql.Literal(since).as_string(connection).join(config["query"].split(SINCE)))
    )
    size, lines = 0, 0
    with connection.cursor() as cursor, cursor.copy(text) as copy, into.open("wb") as out:
        for piece in copy:
            size += len(piece)
            if size > limit_bytes:
                raise egress.CallFailed(
                    host=config["host"], reason=f"the answer has more than {limit_bytes:,} bytes"
                )
            lines += 1
            out.write(piece)
    return lines - 1


def _dsn(config: Mapping[str, Any], secret: Mapping[str, Any], address: str) -> str:
    """``hostaddr`` is the address that was checked: the name is not looked up again."""
    return conninfo.make_conninfo(
        host=config["host"],
        hostaddr=address,
        port=config["port"],
        dbname=config["dbname"],
        user=config["user"],
        password=secret.get("password") or "",
        sslmode="prefer" if egress.is_own(config["host"], address) else "require",
        connect_timeout=CONNECT_SECONDS,
        application_name="almanac",
        passfile="/dev/null",
    )


def _said(error: psycopg.Error, secret: Mapping[str, Any]) -> str:
    """The server's first line, without the password should a server repeat it."""
    line = (error.diag.message_primary or str(error)).strip().partition("\n")[0][:200]
    password = str(secret.get("password") or "")
    return line.replace(password, "…") if password else line
