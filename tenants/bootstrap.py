"""Roles and databases on an empty server. Plain psycopg: it runs before Django can.

The administering login needs CREATEROLE and CREATEDB, nothing more. It makes ``<db>_owner``, which then makes all
other roles; so the owner may grant them, and the administrator is not needed again. Safe to run at every start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import conninfo, sql

SYSTEM_ROLES = ("edge", "ledger", "dispatcher", "operator", "billing", "sealer", "courier")
MINIMUM_VERSION = 160000


class BootstrapError(Exception):
    """The server cannot be used as it is; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Dsns:
    """Connection strings of the three logins: the application, the owner (migrations), and MLflow's own database."""

    app: str
    owner: str
    mlflow: str


def ensure(
    *, admin_dsn: str, database: str, app_password: str, owner_password: str, mlflow_password: str
) -> Dsns:
    """Make or repair roles and databases; returns the logins' connection strings. Idempotent."""
    with psycopg.connect(admin_dsn, autocommit=True) as admin:
        _check_server(admin)
        _ensure_login(admin, f"{database}_owner", owner_password, "CREATEROLE")
        _ensure_login(admin, f"{database}_mlflow", mlflow_password)
        _ensure_database(admin, database, f"{database}_owner")
        _ensure_database(admin, f"{database}_mlflow", f"{database}_mlflow")
    owner = _dsn(admin_dsn, database, f"{database}_owner", owner_password)
    with psycopg.connect(owner, autocommit=True) as connection:
        _ensure_app_roles(connection, database, app_password)
    return Dsns(
        app=_dsn(admin_dsn, database, f"{database}_app", app_password),
        owner=owner,
        mlflow=_dsn(admin_dsn, f"{database}_mlflow", f"{database}_mlflow", mlflow_password),
    )


def _dsn(admin_dsn: str, database: str, user: str, password: str) -> str:
    return conninfo.make_conninfo(admin_dsn, dbname=database, user=user, password=password)


def _check_server(admin: psycopg.Connection) -> None:
    if admin.info.server_version < MINIMUM_VERSION:
        raise BootstrapError(
            f"PostgreSQL 16 or newer is needed, the server is {admin.info.server_version // 10000}: "
            "its roles can be granted without inheritance only from 16 on. Point DATABASE_URL at a newer server."
        )
    row = admin.execute(
        "SELECT rolsuper OR rolcreaterole, rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    missing = [
        name for name, has in zip(("CREATEROLE", "CREATEDB"), row or (False, False), strict=True) if not has
    ]
    if missing:
        raise BootstrapError(
            f"The login of DATABASE_URL lacks {' and '.join(missing)}. As a superuser: ALTER ROLE {admin.info.user} {' '.join(missing)};"
        )


def _exists(connection: psycopg.Connection, query: str, name: str) -> bool:
    return connection.execute(sql.SQL(query), [name]).fetchone() is not None


def _ensure_login(connection: psycopg.Connection, role: str, password: str, options: str = "") -> None:
    exists = _exists(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", role)
    connection.execute(
        sql.SQL("{verb} ROLE {role} LOGIN {options} PASSWORD {password}").format(
            verb=sql.SQL("ALTER" if exists else "CREATE"),
            role=sql.Identifier(role),
            options=sql.SQL(options),
            password=sql.Literal(password),
        )
    )


def _ensure_database(admin: psycopg.Connection, database: str, owner: str) -> None:
    if _exists(admin, "SELECT 1 FROM pg_database WHERE datname = %s", database):
        return
    # CREATE DATABASE … OWNER needs the right to become the owner; since 16 the maker of a role may grant it to itself.
    if admin.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() != (True,):
        admin.execute(
            sql.SQL("GRANT {} TO CURRENT_USER WITH SET TRUE, INHERIT FALSE").format(sql.Identifier(owner))
        )
    admin.execute(
        sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'").format(
            sql.Identifier(database), sql.Identifier(owner)
        )
    )
    admin.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))


def _ensure_app_roles(owner: psycopg.Connection, database: str, app_password: str) -> None:
    app = f"{database}_app"
    _ensure_login(owner, app, app_password, "NOINHERIT")
    owner.execute(
        sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(database), sql.Identifier(app))
    )
    for role in ("tenant_base", *SYSTEM_ROLES):
        _ensure_group(owner, f"{database}_{role}")
    owner.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    owner.execute("REVOKE USAGE ON SCHEMA public FROM PUBLIC")
    _grant_usage(owner, [f"{database}_{role}" for role in ("tenant_base", *SYSTEM_ROLES)])
    for role in SYSTEM_ROLES:
        owner.execute(
            sql.SQL("GRANT {} TO {} WITH INHERIT FALSE, SET TRUE").format(
                sql.Identifier(f"{database}_{role}"), sql.Identifier(app)
            )
        )


def _ensure_group(owner: psycopg.Connection, role: str) -> None:
    if not _exists(owner, "SELECT 1 FROM pg_roles WHERE rolname = %s", role):
        owner.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))


def _grant_usage(owner: psycopg.Connection, roles: Sequence[str]) -> None:
    names = sql.SQL(", ").join(sql.Identifier(role) for role in roles)
    owner.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(names))
