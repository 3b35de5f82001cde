/**
 * What an ordinary database has around a table: row security, a search path, and CHECKs, indexes, generated columns and defaults by
 * functions that go by the session's search path, its time zone and a setting of its own. A member that computed any of it again,
 * in a session of its own, would fail or store something else.
 */

import type { Client } from 'pg';

/** Who owns everything, and the two that come in with its rights; none is a superuser. */
export const ordinaryRoles = ['ordinary', 'first_tenant', 'second_tenant'] as const;

export const createExtensions = ['unaccent', 'hstore', 'citext', 'pg_trgm', 'ltree']
  .map((name) => `CREATE EXTENSION IF NOT EXISTS ${name} SCHEMA public`)
  .join('; ');

/** On every server, before there is a node. */
export const createOrdinaryRoles = `CREATE ROLE ordinary LOGIN PASSWORD 'ordinary';
  CREATE ROLE first_tenant LOGIN PASSWORD 'first_tenant' IN ROLE ordinary;
  CREATE ROLE second_tenant LOGIN PASSWORD 'second_tenant' IN ROLE ordinary;
  GRANT CREATE ON DATABASE constructs TO ordinary`;

/** Through the node, by a superuser. A session enters a schema by calling a function, as tenants do. */
export const prepareDatabase = `${createExtensions};
  CREATE OR REPLACE FUNCTION public.enter(place text, tenant text) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM set_config('search_path', quote_ident(place) || ', public', false), set_config('surrounding.tenant', tenant, false);
    END $$`;

export const enter = (schema: string, tenant: string): string =>
  `SELECT public.enter('${schema}', '${tenant}')`;

/**
 * In the scenario's schema. Each calls another by its bare name; but for those of the index, which newer servers make under a search
 * path of their own: it says what was in force when it was computed.
 */
const functions = (schema: string): string => `
CREATE FUNCTION s_tenant() RETURNS text LANGUAGE sql STABLE AS $$ SELECT current_setting('surrounding.tenant', true) $$;
CREATE FUNCTION s_inner(v text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
  BEGIN RETURN md5(lower(public.unaccent(v))) || current_setting('TimeZone') || current_setting('surrounding.tenant'); END $$;
CREATE FUNCTION s_index(v anyelement) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT "${schema}".s_inner(v::text) || current_setting('search_path') $$;
CREATE FUNCTION s_value(v anyelement) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT s_inner(v::text) $$;
CREATE FUNCTION s_holds(v anyelement) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
  BEGIN
    IF coalesce(s_tenant(), '') = '' THEN RAISE 'nobody has entered'; END IF;
    RETURN coalesce(length(s_value(v)), 1) > 0;
  END $$;
CREATE FUNCTION s_drawn() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN s_value(random()) || s_tenant(); END $$;`;

const tablesSql = (schema: string): string => `
SELECT format('%I.%I', n.nspname, c.relname) AS name,
  EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid) AS below,
  c.relispartition AS partition,
  (SELECT quote_ident(attname) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY attnum LIMIT 1) AS first,
  (SELECT quote_ident(attname) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY attnum DESC LIMIT 1) AS last
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = '${schema}' AND c.relkind IN ('r', 'p') AND c.reloftype = 0 ORDER BY c.oid`;

interface Table {
  readonly name: string;
  /** Another table has it as a child: what that gets, it has. */
  readonly below: boolean;
  readonly partition: boolean;
  readonly first: string | null;
  readonly last: string | null;
}

/** Alters each table of the schema. Columns come at the end. `pg` has entered, as the owner. */
export async function surround(pg: Client, schema: string): Promise<void> {
  await pg.query(functions(schema));
  const { rows } = await pg.query<Table>(tablesSql(schema));
  const statements = rows.map(({ name, below, partition, first, last }) => {
    const own =
      below || last === null
        ? ''
        : `, ADD CONSTRAINT s_holds CHECK (s_holds(${last})), ADD s_drawn text DEFAULT s_drawn(), ADD s_generated text GENERATED ALWAYS AS (s_value(${last})) STORED`;
    const index =
      partition || last === null ? '' : `; CREATE INDEX ON ${name} (s_index(${first}), s_index(${last}))`;
    return `ALTER TABLE ${name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY${own};
      CREATE POLICY s_entered ON ${name} USING (s_tenant() IS NOT NULL)${index}`;
  });
  for (const statement of statements) await pg.query(statement);
}
