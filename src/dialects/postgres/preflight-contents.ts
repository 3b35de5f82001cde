/** What is inside of the database already: objects that Lockstep does not carry, that disturb it, or that are its own. */

import { quoteLiteral } from '../../sql/index.ts';
import { notFromExtension, relationName, userRelations } from './catalog-sql.ts';
import { controlFormat } from './control-schema.ts';
import { all, readUnrepeatable, unrepeatableQuery } from './unrepeatable.ts';
import type { Ask, Check, CheckContext, Verdict } from './preflight-check.ts';
import { fail, ok, some, warn } from './preflight-check.ts';
import { isUnfinished } from './unfinished-indexes.ts';

export const contentChecks: readonly Check[] = [
  {
    name: 'definitions',
    look: async ({ ask }) => {
      const found = readUnrepeatable(await ask(unrepeatableQuery(all)));
      return found.length === 0
        ? ok('all can be repeated')
        : warn(
            `may come out otherwise on another member: ${some(found.map(({ definition, why }) => `${definition} depends on ${why}`))}`,
            'Rows are stored as they were all the same. Let these depend on the row alone, or be ready for reads by such an index, and a restored dump, to find something else.',
          );
    },
  },
  {
    name: 'indexes',
    look: async ({ ask }) =>
      present(
        await ask(
          `SELECT i.indexrelid::regclass FROM ${userRelations('rpm')} JOIN pg_index i ON i.indrelid = c.oid WHERE i.indislive AND NOT i.indisready AND NOT ${isUnfinished} ORDER BY 1`,
        ),
        'not in use here, because they could not be computed',
        (names) => names.map((name) => `REINDEX INDEX ${name};`).join('\n'),
      ),
  },
  { name: 'triggers and rules', look: alwaysFiring },
  { name: 'control schema', look: controlSchema },
  {
    name: 'prepared transactions',
    look: async ({ ask }) => {
      const gids = (
        await ask('SELECT gid FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared')
      ).map(([gid]) => gid ?? '');
      return gids.length === 0
        ? ok('none left open')
        : warn(
            `left open by another program: ${some(gids)}`,
            gids
              .map((gid) => `ROLLBACK PREPARED ${quoteLiteral(gid).trim()}; -- or COMMIT PREPARED`)
              .join('\n'),
          );
    },
  },
  {
    name: 'subscriptions',
    look: async ({ ask }) =>
      present(
        await ask(
          `SELECT quote_ident(s.subname) FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid AND d.datname = current_database() ORDER BY 1`,
        ),
        'would write around Lockstep, uncaptured',
        (names) => names.map((name) => `ALTER SUBSCRIPTION ${name} DISABLE;`).join('\n'),
      ),
  },
  {
    name: 'large objects',
    look: async ({ ask }) => {
      const [[count] = []] = await ask('SELECT count(*) FROM pg_largeobject_metadata');
      return count === '0'
        ? ok('none')
        : warn(`${count}, which are not carried`, 'keep such data in columns of type bytea');
    },
  },
  {
    name: 'unlogged tables',
    look: async ({ ask }) =>
      present(
        await ask(`SELECT ${relationName} FROM ${userRelations('r')} AND c.relpersistence = 'u' ORDER BY 1`),
        'emptied by a crash on the member that crashed, and there only',
        (names) => names.map((name) => `ALTER TABLE ${name} SET LOGGED;`).join('\n'),
      ),
  },
  {
    name: 'foreign tables',
    look: async ({ ask }) =>
      present(
        await ask(`SELECT ${relationName} FROM ${userRelations('f')} ORDER BY 1`),
        'their rows are elsewhere and are neither carried nor compared',
        (names) => `DROP FOREIGN TABLE ${names.join(', ')}; -- or leave them to be read only`,
      ),
  },
];

function present(
  rows: Awaited<ReturnType<Ask>>,
  consequence: string,
  cure: (names: readonly string[]) => string,
): Verdict {
  const names = rows.map(([name]) => name ?? '');
  return names.length === 0 ? ok('none') : warn(`${some(names)}: ${consequence}`, cure(names));
}

/** Replicas are given rows with triggers and rules off; those would fire there nevertheless, a second time. */
async function alwaysFiring({ ask }: CheckContext): Promise<Verdict> {
  const rows = await ask(`
    SELECT format('trigger %I on %s', t.tgname, ${relationName}), format('ALTER TABLE %s ENABLE TRIGGER %I;', ${relationName}, t.tgname)
    FROM ${userRelations('rpf')} JOIN pg_trigger t ON t.tgrelid = c.oid AND t.tgenabled IN ('A', 'R') AND t.tgname NOT LIKE '!lockstep%' WHERE NOT t.tgisinternal
    UNION ALL
    SELECT format('rule %I on %s', r.rulename, ${relationName}), format('ALTER TABLE %s ENABLE RULE %I;', ${relationName}, r.rulename)
    FROM ${userRelations('rpv')} JOIN pg_rewrite r ON r.ev_class = c.oid AND r.ev_enabled IN ('A', 'R')
    UNION ALL
    SELECT format('event trigger %I', e.evtname), format('ALTER EVENT TRIGGER %I ENABLE;', e.evtname)
    FROM pg_event_trigger e WHERE e.evtenabled IN ('A', 'R') ORDER BY 1`);
  if (rows.length === 0) return ok('none fires on replicas');
  return fail(
    `would fire on replicas too: ${some(rows.map(([name]) => name))}`,
    rows.map(([, cure]) => cure).join('\n'),
  );
}

/** What a database holds, besides what belongs to the system, to extensions and to Lockstep. */
export interface Contents {
  readonly tables: number;
  /** Estimates of the server; null where it has never counted. */
  readonly rows: number | null;
  readonly bytes: number;
}

export async function readContents(ask: Ask): Promise<Contents> {
  const [[tables, uncounted, rows, bytes] = []] = await ask(`
    SELECT count(*), count(*) FILTER (WHERE c.relkind = 'r' AND c.reltuples < 0 AND pg_relation_size(c.oid) > 0),
      coalesce(sum(greatest(c.reltuples, 0)) FILTER (WHERE c.relkind = 'r'), 0)::bigint, coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint
    FROM ${userRelations('rp')} WHERE ${notFromExtension('pg_class', 'c.oid')}`);
  return {
    tables: Number(tables),
    rows: uncounted === '0' ? Number(rows) : null,
    bytes: Number(bytes),
  };
}

export function showContents(contents: Contents, ours: boolean): Verdict {
  const { tables, rows, bytes } = contents;
  if (tables === 0) return ok('it is empty: no table is in it');
  const size =
    rows === null ? bytesText(bytes) : `about ${rows.toLocaleString('en')} ${rows === 1 ? 'row' : 'rows'}`;
  const found = `${tables.toLocaleString('en')} ${tables === 1 ? 'table' : 'tables'}, ${size}`;
  if (ours) return ok(`${found}, from when it was part of this cluster: what differs is made equal`);
  return warn(
    `it is not empty: ${found}. Nothing of it is overwritten unasked, and it cannot take part while it holds them`,
    'Give the URL of an empty database. Or add this one, and then have what it holds replaced.',
  );
}

function bytesText(bytes: number): string {
  return bytes < 1_000_000 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** What a database says of itself: which member of which cluster it is, or was. */
export interface OwnMarks {
  readonly clusterId: string;
  readonly memberId: string;
}

export async function readMarks(ask: Ask): Promise<OwnMarks | undefined> {
  const [[there] = []] = await ask(`SELECT to_regclass('lockstep.member') IS NOT NULL`);
  if (there !== 't') return undefined;
  const [[clusterId, memberId] = []] = await ask('SELECT cluster_id, member_id FROM lockstep.member');
  return clusterId == null || memberId == null ? undefined : { clusterId, memberId };
}

async function controlSchema({ ask, clusterId, memberId }: CheckContext): Promise<Verdict> {
  const [[schema, owner, readable] = []] = await ask(`
    SELECT n.oid, pg_get_userbyid(n.nspowner), (SELECT has_table_privilege(c.oid, 'SELECT') FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = 'member')
    FROM (VALUES ('lockstep')) wanted (name) LEFT JOIN pg_namespace n ON n.nspname = wanted.name`);
  if (schema === null || schema === undefined) return ok('none yet');
  if (readable === null)
    return fail(
      'the schema "lockstep" was not made by Lockstep',
      'ALTER SCHEMA lockstep RENAME TO lockstep_before;',
    );
  if (readable === 'f')
    return fail(
      `belongs to role ${owner}`,
      `log in as ${owner}, as which Lockstep was set up here, or as a superuser`,
    );
  const marks = await ask('SELECT format, cluster_id, member_id, incomplete FROM lockstep.member');
  if (marks.length !== 1) return fail('its marks are lost', 'lockstep detach');
  const [[format, cluster, member, incomplete] = []] = marks;
  const who = `member ${member} of cluster ${cluster}`;
  if (Number(format) !== controlFormat) {
    return fail(
      `${who}, in format ${format}, while this version keeps format ${controlFormat}`,
      'lockstep detach',
    );
  }
  if (clusterId !== undefined && cluster !== clusterId) {
    return fail(
      `${who}, which is not this cluster (${clusterId})`,
      'lockstep detach, with the configuration of that cluster, once it no longer runs',
    );
  }
  if (memberId !== undefined && member !== memberId) {
    return fail(`${who}, and not ${memberId}`, `give this member the id ${member} in the configuration`);
  }
  return incomplete === null
    ? ok(who)
    : warn(`${who}; a synchronisation did not finish: ${incomplete}`, `lockstep member activate ${member}`);
}
