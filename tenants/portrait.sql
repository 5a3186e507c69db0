-- What stands in the schemas %(schemas)s, as lines that name no schema. A grantee that is named as the schema is "its role".
WITH spaces AS (
  SELECT oid, nspname, nspacl, nspowner FROM pg_namespace WHERE nspname = ANY(%(schemas)s)
),
relations AS (
  SELECT pg_class.*, nspname FROM pg_class JOIN spaces ON relnamespace = spaces.oid
  WHERE relkind IN ('r', 'p', 'S', 'v', 'm')
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')  -- an extension's
),
functions AS (
  SELECT pg_proc.*, nspname FROM pg_proc JOIN spaces ON pronamespace = spaces.oid
  WHERE NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
),
rights AS (
  SELECT nspname, 'schema' AS target, entry.*
  FROM spaces, aclexplode(COALESCE(nspacl, acldefault('n', nspowner))) AS entry
  UNION ALL
  SELECT nspname, relname, entry.*
  FROM relations,
    aclexplode(COALESCE(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))) AS entry
  UNION ALL
  SELECT nspname, concat(relname, '.', attname), entry.*
  FROM relations JOIN pg_attribute ON attrelid = relations.oid, aclexplode(attacl) AS entry
  UNION ALL
  SELECT nspname, concat('new objects of kind ', defaclobjtype), entry.*
  FROM spaces JOIN pg_default_acl ON defaclnamespace = spaces.oid, aclexplode(defaclacl) AS entry
  UNION ALL
  SELECT nspname, concat(proname, '()'), entry.*
  FROM functions, aclexplode(COALESCE(proacl, acldefault('f', proowner))) AS entry
),
memberships AS (
  SELECT member.rolname AS member, granted.rolname AS granted, concat(
      CASE WHEN inherit_option THEN ', inherits' END,
      CASE WHEN set_option THEN ', may become' END,
      CASE WHEN admin_option THEN ', grants' END) AS options
  FROM pg_auth_members
  JOIN pg_roles AS member ON member.oid = member
  JOIN pg_roles AS granted ON granted.oid = roleid
),
spelled AS (
  SELECT nspname, concat('table ', relname, ' of ', pg_get_userbyid(relowner),
    CASE WHEN relrowsecurity THEN ', row-level security' END,
    CASE WHEN relforcerowsecurity THEN ', forced' END) AS line
  FROM relations
  UNION ALL
  SELECT nspname, concat('column ', relname, '.', attname, ' ', format_type(atttypid, atttypmod),
    CASE WHEN attnotnull THEN ' not null' END,
    CASE WHEN attidentity <> '' THEN concat(' identity ', attidentity) END,
    ' default ' || pg_get_expr(adbin, adrelid))
  FROM relations JOIN pg_attribute ON attrelid = relations.oid AND attnum > 0 AND NOT attisdropped
  LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
  WHERE relkind <> 'S'
  UNION ALL
  SELECT nspname, concat('constraint ', conname, ' on ', relname, ': ',
    replace(pg_get_constraintdef(pg_constraint.oid), nspname || '.', ''))
  FROM relations JOIN pg_constraint ON conrelid = relations.oid AND contype <> 'n'  -- the column's line tells
  UNION ALL
  SELECT nspname, concat(replace(pg_get_indexdef(indexrelid), nspname || '.', ''), CASE WHEN NOT indisvalid THEN ' (not valid)' END)
  FROM relations JOIN pg_index ON indrelid = relations.oid
  UNION ALL
  SELECT nspname, concat('policy ', polname, ' on ', relname, ' for ', polcmd, ' to ',
    (SELECT string_agg(pg_get_userbyid(role), ', ' ORDER BY role) FROM unnest(polroles) AS role),
    ' using ' || replace(pg_get_expr(polqual, polrelid), nspname || '.', ''),
    ' with check ' || replace(pg_get_expr(polwithcheck, polrelid), nspname || '.', ''))
  FROM relations JOIN pg_policy ON polrelid = relations.oid
  UNION ALL
  SELECT nspname, concat(replace(pg_get_triggerdef(pg_trigger.oid), nspname || '.', ''), ' (', tgenabled, ')')
  FROM relations JOIN pg_trigger ON tgrelid = relations.oid AND NOT tgisinternal
  UNION ALL
  SELECT nspname, concat('function ', proname, '(', pg_get_function_identity_arguments(oid), ') of ',
    pg_get_userbyid(proowner), ', body ', md5(concat(prosrc, prosecdef, proconfig)))
  FROM functions
  UNION ALL
  SELECT nspname, concat(privilege_type, ' on ', target, ' for ',
    CASE WHEN grantee = 0 THEN 'everybody' WHEN pg_get_userbyid(grantee) = nspname THEN 'its role' ELSE pg_get_userbyid(grantee) END,
    CASE WHEN is_grantable THEN ' to pass on' END)
  FROM rights WHERE grantee <> current_user::regrole  -- the owner has all
  UNION ALL
  SELECT nspname, concat('its role is a member of ', granted, options) FROM memberships JOIN spaces ON nspname = member
  UNION ALL
  SELECT nspname, concat('its role has the member ', member, options) FROM memberships JOIN spaces ON nspname = granted
  UNION ALL
  SELECT nspname, concat('its role', CASE WHEN rolcanlogin THEN ', logs in' END,
    CASE WHEN rolsuper OR rolbypassrls THEN ', passes all walls' END,
    CASE WHEN rolcreaterole OR rolcreatedb THEN ', makes roles or databases' END)
  FROM spaces JOIN pg_roles ON rolname = nspname
),
-- What went through a dump, PostgreSQL spells in another way: "x IN ('a', 'b')", and chains of OR in triggers.
respelled AS (
  SELECT nspname, CASE WHEN position('ARRAY[' IN line) = 0 THEN line ELSE regexp_replace(regexp_replace(
    line, $$\(('[^']*'::character varying)\)::text$$, '\1', 'g'), $$\((ARRAY\[[^]]*\])\)::text\[\]$$, '\1', 'g') END AS line
  FROM spelled
),
lines AS (
  SELECT nspname, CASE WHEN line ~ '^CREATE (CONSTRAINT )?TRIGGER'
    THEN translate(left(line, -4), '()', '') || right(line, 4) ELSE line END AS line  -- all but whether it is on
  FROM respelled
),
wanted AS (SELECT DISTINCT line FROM unnest(%(lines)s::text[]) AS line)
