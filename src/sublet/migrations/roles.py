"""The roles that the first migration grants: they belong to the server, and another database may have had them made."""

from sqlalchemy import Connection, text

ROLES = ("sublet_app", "sublet_ledger")
GRANTED_BY_ITS_MAKER_ALONE = 160_000
"""From this version of PostgreSQL on, CREATEROLE lets nobody grant what somebody else made."""

_NOT_OURS = text(
    """
    SELECT r.rolname AS role, quote_ident(current_user) AS owner,
           ARRAY(SELECT quote_ident(m.member::regrole::name) FROM pg_auth_members m
                  WHERE m.roleid = r.oid AND m.admin_option) AS givers
      FROM pg_roles r JOIN pg_database d ON d.datname = current_database() AND pg_has_role(d.datdba, 'USAGE')
     WHERE r.rolname = ANY(:roles) AND NOT pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION')
     ORDER BY r.rolname
    """
)


def why_not_granted(connection: Connection, *, version: int) -> str | None:
    """Why the owner cannot grant the roles that are there, and what somebody has to run; None if it can.

    None too for who does not own the database: that one is no owner to give them to.
    """
    if version < GRANTED_BY_ITS_MAKER_ALONE:
        return None
    lacking = connection.execute(_NOT_OURS, {"roles": list(ROLES)}).all()
    if not lacking:
        return None
    owner, roles = lacking[0].owner, [row.role for row in lacking]
    givers = sorted(set.intersection(*(set(row.givers) for row in lacking)))
    return (
        f"This server has {' and '.join(roles)} already, made for another database of it, and {owner} may not grant "
        f"what it did not make. Nothing was changed. As {' or '.join([*givers, 'a superuser'])}, run "
        f"`GRANT {', '.join(roles)} TO {owner} WITH ADMIN OPTION`; then run `sublet migrate` again."
    )
