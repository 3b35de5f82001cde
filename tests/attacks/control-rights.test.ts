/**
 * Who may do what with Lockstep's own objects in a member: everything that is there, against the table of why it is harmless. What is
 * new, changed or gone fails here, with the lines that the table would need.
 */

import { describe, expect, test } from 'vitest';
import { findPostgres } from '../../src/testing/index.ts';
import type { PostgresServer } from '../../src/testing/index.ts';
import { withNode, withServers } from '../support/index.ts';
import { controlRights } from './control-rights.ts';

/** (object, what it is like). Numbered ones count as one: log_0, log_1, … */
const inventorySql = `
SELECT DISTINCT regexp_replace(object, '_\\d+\\M', '_N', 'g'), regexp_replace(rights, '_\\d+\\M', '_N', 'g') FROM (
  SELECT 'schema ' || nspname AS object, coalesce(acl, 'owner') AS rights
    FROM pg_namespace, LATERAL (SELECT string_agg(format('%s to %s', privilege_type, grantee), ', ' ORDER BY privilege_type, grantee)
      FROM (SELECT x.privilege_type, CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END AS grantee FROM aclexplode(nspacl) x WHERE x.grantee <> nspowner) g) a(acl)
   WHERE nspname = 'lockstep'
  UNION ALL
  SELECT format('function %s(%s)', proname, pg_get_function_identity_arguments(p.oid)),
    concat_ws('; ', CASE WHEN prosecdef THEN 'definer' ELSE 'invoker' END, nullif(array_to_string(proconfig, ', '), ''),
      CASE WHEN proacl IS NULL THEN 'EXECUTE to PUBLIC by default' ELSE coalesce(acl, 'owner') END)
    FROM pg_proc p, LATERAL (SELECT string_agg(format('%s to %s', privilege_type, grantee), ', ' ORDER BY privilege_type, grantee)
      FROM (SELECT x.privilege_type, CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END AS grantee FROM aclexplode(proacl) x WHERE x.grantee <> proowner) g) a(acl)
   WHERE pronamespace = 'lockstep'::regnamespace
  UNION ALL
  SELECT CASE relkind WHEN 'S' THEN 'sequence ' WHEN 'v' THEN 'view ' ELSE 'table ' END || relname, coalesce(acl, 'owner')
    FROM pg_class c, LATERAL (SELECT string_agg(format('%s to %s', privilege_type, grantee), ', ' ORDER BY privilege_type, grantee)
      FROM (SELECT x.privilege_type, CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END AS grantee FROM aclexplode(relacl) x WHERE x.grantee <> relowner) g) a(acl)
   WHERE relnamespace = 'lockstep'::regnamespace AND relkind IN ('r', 'p', 'S', 'v', 'm', 'f')
  UNION ALL
  SELECT 'trigger ' || tgname || ' on ' || relname, concat_ws(' ', tgfoid::regproc, tgenabled) FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
   WHERE relnamespace = 'lockstep'::regnamespace AND NOT tgisinternal
  UNION ALL
  SELECT 'type ' || typname, 'of its own' FROM pg_type WHERE typnamespace = 'lockstep'::regnamespace AND typtype IN ('d', 'e', 'b') AND typelem = 0
  UNION ALL
  SELECT 'event trigger ' || evtname, format('%s: %s, %s', evtevent, evtfoid::regproc, evtenabled) FROM pg_event_trigger
) x ORDER BY 1, 2`;

/** What nobody can call harmless without further words. */
const badly = [
  {
    is: /^definer(?!.*search_path=[^;]*pg_temp(;|$|,[^;]*=))/,
    means: 'temporary objects come before the catalog',
  },
  { is: /by default/, means: 'nobody has decided who may call it' },
  {
    is: /(INSERT|UPDATE|DELETE|TRUNCATE|SELECT|USAGE|REFERENCES|TRIGGER|MAINTAIN) to PUBLIC/,
    means: 'everybody may',
  },
];

for (const major of new Set([15, findPostgres().major])) {
  describe(`control schema of PostgreSQL ${major}`, () => {
    const fixture = withServers(2, { binaries: findPostgres({ prefer: 'system', major }) });
    withNode(fixture);

    test('everything in it is in the table that says why it is harmless', async () => {
      const expected = controlRights.flatMap(({ objects, are }) =>
        objects.map((object) => `${object}: ${are}`),
      );
      for (const server of fixture.servers) {
        const found = await inventoryOf(server);
        if (process.env['CONTROL_RIGHTS'] === 'print') console.log(asTable(found));
        expect(found).toEqual(expected.toSorted());
      }
    });
  });
}

test('what breaks a rule is said to have every name qualified, and each entry has its reason', () => {
  for (const { objects, are, because } of controlRights) {
    const broken = badly.filter(({ is }) => is.test(are)).map(({ means }) => means);
    expect(because, `${objects[0]}: ${broken.join(', ')}`).toMatch(
      broken.length === 0
        ? /.{20}/
        : /All names in it are qualified|Sessions of clients call functions in it/,
    );
  }
});

async function inventoryOf(server: PostgresServer): Promise<readonly string[]> {
  const rows = await server.query(inventorySql);
  return rows.map(([object, rights]) => `${object}: ${rights}`).toSorted();
}

/** As the table has it, what is alike together; reasons that are there already stay. `CONTROL_RIGHTS=print` shows it. */
function asTable(found: readonly string[]): string {
  const entries = new Map<string, { objects: string[]; are: string; because: string }>();
  for (const line of found) {
    const [object, are] = [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)];
    const known = controlRights.find((one) => one.are === are && one.objects.includes(object));
    const because = known?.because ?? 'TODO';
    const entry = entries.get(are + because);
    if (entry !== undefined) entry.objects.push(object);
    else entries.set(are + because, { objects: [object], are, because });
  }
  return JSON.stringify([...entries.values()], null, 1);
}
