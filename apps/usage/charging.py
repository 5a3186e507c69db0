"""The ledger's statements: the counters are raised only if the charge fits, the event written only if they were.

Each is one statement with data-modifying CTEs, exact under concurrency by the row lock of the tenant's counter.
The same request twice: the earlier row. Twice at the same moment: the second fails on the unique request, takes its
raise back with it, and is tried again.
"""

from __future__ import annotations

from typing import Final

_STATED: Final = """
WITH stated AS MATERIALIZED (
    SELECT %(tenant)s::uuid AS tenant_id, %(request)s::text AS request_id, %(kind)s::text AS kind,
           %(quantity)s::bigint AS quantity, %(limit)s::bigint AS quota, now() AS at,
           to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM') AS period
), earlier AS (
    SELECT e.id, e.kind, e.quantity FROM usage_usageevent e JOIN stated s USING (tenant_id, request_id)
)"""
_WRITTEN: Final = """, written AS (
    INSERT INTO usage_usageevent
        (id, tenant_id, request_id, kind, quantity, occurred_at, period, key_id, user_id, receipt)
    SELECT %(id)s::uuid, tenant_id, request_id, kind, quantity, at, period,
           %(key)s::uuid, %(user)s::uuid, %(receipt)s::jsonb
    FROM stated, raised
    RETURNING id
)
SELECT (SELECT id FROM written), (SELECT id FROM earlier), (SELECT kind FROM earlier),
       (SELECT quantity FROM earlier)"""
_RAISED: Final = """, raised AS (
    INSERT INTO usage_usagecounter AS c (tenant_id, period, kind, used)
    SELECT tenant_id, period, kind, quantity FROM stated
    WHERE (quota IS NULL OR quantity <= quota) AND NOT EXISTS (SELECT FROM earlier)
    ON CONFLICT (tenant_id, period, kind) DO UPDATE SET used = c.used + EXCLUDED.used
    WHERE %(limit)s::bigint IS NULL OR c.used + EXCLUDED.used <= %(limit)s::bigint
    RETURNING used
)"""
_COUNTED: Final = """, counted AS (
    INSERT INTO usage_usagekeycounter AS k (tenant_id, key_id, period, kind, used)
    SELECT tenant_id, %(counter)s::uuid, period, kind, quantity FROM stated, raised
    ON CONFLICT (tenant_id, key_id, period, kind) DO UPDATE SET used = k.used + EXCLUDED.used
)"""
# A key with a budget: two counters must both have room. The tenant's is locked and looked at first, the key's is
# raised if that has room too, and only then the tenant's, which can no longer fail. The tenant's row must be there
# for that (``OPEN_MONTH``); ``known`` tells its absence from a full counter.
_BUDGETED: Final = """, held AS MATERIALIZED (
    SELECT c.id, c.used FROM usage_usagecounter c JOIN stated s USING (tenant_id, period, kind) FOR UPDATE OF c
), fitting AS MATERIALIZED (
    SELECT s.*, h.id AS counter_id FROM stated s, held h
    WHERE (s.quota IS NULL OR h.used + s.quantity <= s.quota) AND NOT EXISTS (SELECT FROM earlier)
), counted AS (
    INSERT INTO usage_usagekeycounter AS k (tenant_id, key_id, period, kind, used)
    SELECT tenant_id, %(counter)s::uuid, period, kind, quantity FROM fitting
    WHERE quantity <= %(budget)s::bigint
    ON CONFLICT (tenant_id, key_id, period, kind) DO UPDATE SET used = k.used + EXCLUDED.used
    WHERE k.used + EXCLUDED.used <= %(budget)s::bigint
    RETURNING used
), raised AS (
    UPDATE usage_usagecounter c SET used = c.used + f.quantity
    FROM fitting f, counted WHERE c.id = f.counter_id RETURNING c.used
)"""
_STATE: Final = ", EXISTS (SELECT FROM held) AS known, EXISTS (SELECT FROM fitting) AS fits"

CHARGE: Final = f"{_STATED}{_RAISED}{_WRITTEN}, true, false"
CHARGE_KEY: Final = f"{_STATED}{_RAISED}{_COUNTED}{_WRITTEN}, true, false"
CHARGE_BUDGET: Final = f"{_STATED}{_BUDGETED}{_WRITTEN}{_STATE}"
OPEN_MONTH: Final = """
INSERT INTO usage_usagecounter (tenant_id, period, kind, used)
VALUES (%(tenant)s::uuid, to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM'), %(kind)s::text, 0)
ON CONFLICT (tenant_id, period, kind) DO NOTHING
"""
USED: Final = """
SELECT used FROM usage_usagecounter
WHERE tenant_id = %(tenant)s AND kind = %(kind)s AND period = to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM')
"""
USED_BY_KEY: Final = """
SELECT used FROM usage_usagekeycounter
WHERE tenant_id = %(tenant)s AND key_id = %(counter)s AND kind = %(kind)s
  AND period = to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM')
"""
