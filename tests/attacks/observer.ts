/**
 * Judges an attack from outside, as a superuser at every member: what has the attacker gained, read, hidden, forged or stopped?
 * It takes nobody's word, and never runs what an attacker has made: rows become text by output functions alone.
 */

import { createHash } from 'node:crypto';
import { messageOf } from '../../src/base/index.ts';
import { compareMembers, describeDifferences, PlainClient } from '../../src/testing/index.ts';
import type { AskMember } from '../../src/testing/index.ts';
import { waitFor } from '../support/index.ts';
import { attackers } from './stage.ts';
import type { Stage } from './stage.ts';
import { Steady } from './steady.ts';

/** Found at one member, name → what it was. */
type Facts = ReadonlyMap<string, string>;

/** What may happen while somebody attacks. Everything else that the node says is the attacker's doing. */
const harmlessEvents = new Set([
  // Of an attacker's own tables, and nobody is out for it.
  'definition-not-repeatable',
  'index-left-out',
  'client-refused',
  // Of an attacker's own statement, which nobody carried out.
  'trial-refused',
  'session-replayed',
  'command-ran',
  'member-at-risk',
  'commit-decided-dead',
]);

const equalMs = 5_000;

const names = attackers.map((name) => `'${name}'`).join(', ');
/** Objects that are not the attackers' own to change. */
const notTheirs = (column: string): string =>
  `${column}::regnamespace::text !~ '^(alice$|tools$|pg_toast|pg_temp|pg_catalog$|information_schema$)'`;

/** Rights, owners, code, triggers: (name, definition). */
const rightsSql = `
SELECT 'role ' || rolname, concat_ws(' ', rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls, rolconnlimit, rolpassword, rolvaliduntil) FROM pg_authid
UNION ALL SELECT format('membership of %s in %s', member::regrole, roleid::regrole), concat_ws(' ', grantor::regrole, admin_option) FROM pg_auth_members
UNION ALL SELECT format('settings of role %s in database %s', setrole, setdatabase), setconfig::text FROM pg_db_role_setting s
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE oid = s.setrole AND rolname IN (${names}))
UNION ALL SELECT 'database ' || datname, concat_ws(' ', datdba::regrole, datacl::text) FROM pg_database WHERE datname = current_database()
UNION ALL SELECT 'schema ' || nspname, concat_ws(' ', nspowner::regrole, nspacl::text) FROM pg_namespace WHERE ${notTheirs('oid')}
UNION ALL SELECT format('relation %s.%I', relnamespace::regnamespace, relname), concat_ws(' ', relkind, relowner::regrole, relacl::text, relrowsecurity, relforcerowsecurity)
  FROM pg_class WHERE relkind NOT IN ('i', 'I') AND ${notTheirs('relnamespace')}
UNION ALL SELECT 'function ' || oid::regprocedure, concat_ws(' ', proowner::regrole, proacl::text, prosecdef, proconfig::text, md5(prosrc)) FROM pg_proc WHERE ${notTheirs('pronamespace')}
UNION ALL SELECT 'type ' || format('%s.%I', typnamespace::regnamespace, typname), concat_ws(' ', typowner::regrole, typacl::text) FROM pg_type WHERE ${notTheirs('typnamespace')}
UNION ALL SELECT 'event trigger ' || evtname, concat_ws(' ', evtowner::regrole, evtenabled, evtfoid::regproc, evtevent) FROM pg_event_trigger
UNION ALL SELECT 'policy ' || polname || ' of ' || polrelid::regclass, concat_ws(' ', polcmd, polroles::text, pg_get_expr(polqual, polrelid)) FROM pg_policy
UNION ALL SELECT 'trigger ' || tgname || ' of ' || tgrelid::regclass, concat_ws(' ', tgenabled, tgfoid::regproc, tgtype, encode(tgargs, 'escape'))
  FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid WHERE NOT tgisinternal AND ${notTheirs('c.relnamespace')}
UNION ALL SELECT 'system relation ' || relname, concat_ws(' ', relowner::regrole, relacl::text) FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace
UNION ALL SELECT 'large object ' || oid, lomowner::regrole::text FROM pg_largeobject_metadata WHERE lomowner::regrole::text NOT IN (${names})`;

/** Rows that no attacker may change. */
const untouchable: Readonly<Record<string, string>> = {
  'vault.secrets': 'true',
  'vault.letters': 'true',
  'shop.ledger': `who = 'keeper'`,
  'shop.steady': 'n < 0',
};

/** A write set that speaks of a table to which nobody writes during an attack. */
const framedTreasures = ['vault', 'secrets', 'letters'];
const framed = framedTreasures.slice(1).map((table) => `5,${table.length}:vault${table}`);

export class Observer {
  readonly #stage: Stage;
  readonly #before: readonly Facts[];
  readonly #eventsBefore: number;
  readonly #csnBefore: number;
  readonly #primary: string | null;
  readonly #term: number;
  readonly #steady: Steady;

  private constructor(
    stage: Stage,
    known: {
      readonly before: readonly Facts[];
      readonly csn: number;
      readonly primary: string | null;
      readonly term: number;
      readonly steady: Steady;
    },
  ) {
    this.#stage = stage;
    this.#before = known.before;
    this.#csnBefore = known.csn;
    this.#primary = known.primary;
    this.#term = known.term;
    this.#steady = known.steady;
    this.#eventsBefore = stage.events.all.length;
  }

  static async begin(stage: Stage): Promise<Observer> {
    const steady = await Steady.begin(stage);
    const before = await everywhere(stage, factsOf);
    const { csn, primary, term } = await stage.node.node.status();
    return new Observer(stage, { before, csn, primary, term, steady });
  }

  /** What the attacker has done; nothing: he was withstood. `heard`: everything that anybody said to him. */
  async judge(heard: readonly string[], leave: () => void): Promise<readonly string[]> {
    const stopped = await this.#steady.end();
    if (this.#stage.ended()) {
      leave();
      return [...stopped, 'the node has ended'];
    }
    const read = await this.#read(heard);
    const early = await this.#members();
    leave();
    const charges = [...stopped, ...read, ...early, ...(await this.#changed())];
    // Members that are out cannot be equal, and waiting for them proves no more.
    const apart = early.length > 0 || stopped.length > 0 ? [] : await this.#apart();
    return [...charges, ...apart];
  }

  /** As `judge`, when nobody attacks any more: after work that an operator has asked for. */
  async judgeAfterwards(work: () => Promise<void>): Promise<readonly string[]> {
    await work();
    return [...(await this.#changed()), ...(await this.#apart())];
  }

  /** Roles, rights, owners, code and treasures; and the log. */
  async #changed(): Promise<readonly string[]> {
    const after = await everywhere(this.#stage, factsOf);
    const charges = after.flatMap((facts, index) => {
      const before = this.#before[index] ?? new Map<string, string>();
      return [...new Set([...before.keys(), ...facts.keys()])].flatMap((name) => {
        const [was, is] = [before.get(name), facts.get(name)];
        return was === is ? [] : [`db${index + 1}: ${name} was ${was ?? 'not there'}, is ${is ?? 'gone'}`];
      });
    });
    return [...charges, ...(await this.#forgedRecords())];
  }

  async #forgedRecords(): Promise<readonly string[]> {
    const speaks = framed.map((name) => `position('${name}'::bytea in payload) > 0`).join(' OR ');
    const logs = await everywhere(this.#stage, async (ask) =>
      (await ask(`SELECT to_regclass('lockstep.log')`))[0]?.[0] == null
        ? []
        : ask(
            `SELECT csn, term, coalesce(${speaks}, false) FROM lockstep.log WHERE csn > ${this.#csnBefore} OR csn IS NULL`,
          ),
    );
    // Asked behind it: sequences that nobody has carried are carried at any time.
    const { csn } = await this.#stage.node.node.status();
    return logs.flatMap((rows, index) =>
      rows.flatMap(([number, term, ofTreasures]) =>
        Number(number) > csn || Number(term) !== this.#term || ofTreasures === 't'
          ? [`db${index + 1}: forged record ${number}, term ${term}`]
          : [],
      ),
    );
  }

  /** All active, the same primary, and nothing of note has happened. */
  async #members(): Promise<readonly string[]> {
    const { members, primary } = await this.#stage.node.node.status();
    const events = this.#stage.events.all.slice(this.#eventsBefore);
    return [
      ...members.flatMap(({ id, active, reason }) => (active ? [] : [`${id} is out: ${reason}`])),
      ...(primary === this.#primary ? [] : [`the primary moved from ${this.#primary} to ${primary}`]),
      ...events.flatMap((event) =>
        harmlessEvents.has(String(event['event'])) ? [] : [`the node said ${JSON.stringify(event)}`],
      ),
    ];
  }

  async #read(heard: readonly string[]): Promise<readonly string[]> {
    const all = heard.join('\n');
    const words = [...this.#stage.secrets, 'SCRAM-SHA-256$'].filter((word) => all.includes(word));
    const hashes = new Set(
      (
        await everywhere(this.#stage, async (ask) => {
          const bodies = await ask(
            `SELECT prosrc FROM pg_proc WHERE pronamespace = to_regnamespace('lockstep')`,
          );
          return bodies.flatMap(([body]) => (body ?? '').match(/[0-9a-f]{64}/g) ?? []);
        })
      ).flat(),
    );
    const tokens = new Set(all.match(/[\w+/=-]{16,}/g));
    const keys = [...tokens].filter((token) =>
      [Buffer.from(token), Buffer.from(token, 'hex'), Buffer.from(token, 'base64')].some((bytes) =>
        hashes.has(createHash('sha256').update(bytes).digest('hex')),
      ),
    );
    return [
      ...words.map((word) => `he has read ${word}`),
      ...keys.map(() => 'he has read the secret of the node'),
    ];
  }

  async #apart(): Promise<readonly string[]> {
    const asks = await connections(this.#stage);
    let report = '';
    try {
      await waitFor(
        async () => {
          report = describeDifferences(
            await compareMembers(Object.fromEntries(asks.map(({ id, ask }) => [id, ask] as const))),
          );
          return report === '';
        },
        { what: 'equal members', timeoutMs: equalMs },
      );
      return [];
    } catch (error) {
      return [`members differ: ${report === '' ? messageOf(error) : report}`];
    } finally {
      for (const { close } of asks) close();
    }
  }
}

async function factsOf(ask: AskMember): Promise<Facts> {
  const rights = await ask(rightsSql);
  const rows: [string, string][] = [];
  for (const [table, where] of Object.entries(untouchable)) {
    const found = await ask(`SELECT concat(t.*) FROM ${table} t WHERE ${where} ORDER BY 1`);
    rows.push([`rows of ${table}`, JSON.stringify(found)]);
  }
  // Whoever is a superuser by now may have thrown everything away.
  const [here] = await ask(`SELECT to_regclass('lockstep.log')`);
  if (here?.[0] == null) return new Map([['schema of Lockstep', 'gone']]);
  const moved = await ask(
    `SELECT last_value::text || is_called FROM lockstep.foreign_write UNION ALL SELECT last_value::text FROM lockstep.term`,
  );
  return new Map([
    ...rights.map(([name, definition]): [string, string] => [name ?? '', definition ?? '']),
    ...rows,
    ['marks of writes around Lockstep', JSON.stringify(moved)],
  ]);
}

interface Connection {
  readonly id: string;
  readonly ask: AskMember;
  readonly close: () => void;
}

async function connections({ servers, database }: Stage): Promise<readonly Connection[]> {
  return await Promise.all(
    servers.map(async ({ port, user, password }, index) => {
      const client = await PlainClient.connect({ port, user, password, database });
      return {
        id: `db${index + 1}`,
        ask: (sql: string) => client.query(sql),
        close: () => client.close(),
      };
    }),
  );
}

async function everywhere<T>(
  stage: Stage,
  work: (ask: AskMember, index: number) => Promise<T>,
): Promise<readonly T[]> {
  const open = await connections(stage);
  try {
    return await Promise.all(open.map(({ ask }, index) => work(ask, index)));
  } finally {
    for (const { close } of open) close();
  }
}

/** What an operator may ask for at any time, over whatever clients have made. */
export const afterwards = {
  verify: async (stage: Stage): Promise<void> => {
    const before = (await stage.node.node.operator.verification())?.at;
    await stage.node.node.operator.verify();
    await waitFor(async () => (await stage.node.node.operator.verification())?.at !== before, {
      what: 'the verification',
      timeoutMs: 30_000,
    });
  },
  'full copy': async (stage: Stage): Promise<void> => {
    const { operator } = stage.node.node;
    const { members } = await operator.status();
    const replica = members.find(({ role }) => role === 'replica')?.id ?? 'db2';
    await operator.deactivateMember(replica);
    await operator.syncMember(replica, { strategy: 'full' });
    await waitFor(async () => (await operator.status()).members.every(({ active }) => active), {
      what: 'the copy',
      timeoutMs: 30_000,
    });
  },
} as const;
