/** Databases of one test, made members of a cluster the way a node does it. */

import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { PostgresCatalog, PostgresDataSync, PostgresMember } from '../../../src/dialects/postgres/index.ts';
import { Remarks } from '../../../src/dialects/postgres/remarks.ts';
import type { Remark } from '../../../src/dialects/postgres/remarks.ts';
import { openSpool } from '../../../src/dialects/spool.ts';
import type {
  RowKeeper,
  SyncJob,
  TableChange,
  WorkControl,
  WorkProgress,
} from '../../../src/dialects/sync-contract.ts';
import type { Difference, PostgresServer } from '../../../src/testing/index.ts';
import { compareMembers, PlainClient } from '../../../src/testing/index.ts';

export const clusterId = 'testing';
export const term = 7;
export const at = { csn: 40, term, version: 3 };

let made = 0;

/** A database of its own, and a member that has it. */
export interface FreshMember {
  readonly member: PostgresMember;
  readonly server: PostgresServer;
  readonly database: string;
  /** Around Lockstep: no capture, no guard. */
  readonly write: (sql: string) => Promise<void>;
  readonly rows: (sql: string) => Promise<readonly (readonly (string | null)[])[]>;
}

export async function freshMember(
  server: PostgresServer,
  options: {
    readonly sql?: string;
    /** For CREATE DATABASE. */
    readonly as?: string;
    /** By which the member reaches the server. */
    readonly port?: number;
    readonly remark?: (remark: Remark) => void;
  } = {},
): Promise<FreshMember> {
  made += 1;
  const id = `db${made}`;
  const database = `member_${process.pid}_${made}`;
  await server.query(`CREATE DATABASE ${database} ${options.as ?? ''}`, undefined, 'postgres');
  onTestFinished(
    async () =>
      void (await server.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`, undefined, 'postgres')),
  );
  const address = {
    memberId: id,
    host: '127.0.0.1',
    port: options.port ?? server.port,
    tls: { mode: 'disable' },
    connectMs: 5_000,
  } as const;
  const directory = mkdtempSync(join(tmpdir(), 'lockstep-spool-'));
  const member = new PostgresMember(
    {
      id: address.memberId,
      address,
      database,
      user: server.user,
      password: server.password,
      maxMessageBytes: 0x7fffffff,
    },
    {
      catalog: new PostgresCatalog(),
      spool: () => openSpool({ directory, memoryBytes: 1 << 20 }),
      primaryId: () => '',
      remarks: new Remarks(options.remark ?? (() => undefined)),
    },
  );
  const ask = async (sql: string): Promise<readonly (readonly (string | null)[])[]> => {
    const { port, user, password } = server;
    const client = await PlainClient.connect({ port, user, password, database, deadlineMs: 120_000 });
    try {
      await client.query('SET lockstep.guard = off; SET session_replication_role = replica');
      return await client.query(sql);
    } finally {
      client.close();
    }
  };
  if (options.sql !== undefined) await ask(options.sql);
  return { member, server, database, rows: ask, write: async (sql) => void (await ask(sql)) };
}

/** Enrolled, with a commit log that ends at `at.csn`. */
export async function enrolledMember(...parameters: Parameters<typeof freshMember>): Promise<FreshMember> {
  const fresh = await freshMember(...parameters);
  const { member } = fresh;
  await member.enroll({ clusterId, version: 1, active: [member.id], baseCsn: at.csn });
  await member.raiseTerm(term);
  return fresh;
}

export class KeptRows implements RowKeeper {
  readonly rows: { table: string; columns: readonly string[]; row: string }[] = [];
  flushes = 0;
  readonly encoding: 'utf8' | 'latin1';

  constructor(encoding: 'utf8' | 'latin1' = 'utf8') {
    this.encoding = encoding;
  }

  keep(table: string, columns: readonly string[], row: Buffer): Promise<void> {
    this.rows.push({ table, columns, row: row.toString(this.encoding) });
    return Promise.resolve();
  }

  flush(): Promise<void> {
    this.flushes += 1;
    return Promise.resolve();
  }
}

export interface Watch extends WorkControl {
  pieceBytesMax: number;
  readonly reports: WorkProgress[];
  paced: number;
  stop(): void;
}

/** Lets everything go on at once. */
export function watching(onPace: (paced: number) => void = () => undefined): Watch {
  const abort = new AbortController();
  const watch: Watch = {
    signal: abort.signal,
    reports: [],
    pieceBytesMax: Number.POSITIVE_INFINITY,
    paced: 0,
    progress: (report) => void watch.reports.push(report),
    pace: (bytes) => {
      watch.paced += bytes;
      onPace(watch.paced);
      return Promise.resolve();
    },
    stop: () => abort.abort(new Error('stopped by the test')),
  };
  return watch;
}

export interface RunOptions {
  readonly control?: Watch;
  readonly keeper?: KeptRows;
  readonly dryRun?: boolean;
  readonly strategy?: 'diff' | 'full';
  readonly sync?: PostgresDataSync;
}

/** Mark, repair, conclude: as the engine does it. */
export async function synchronise(
  source: FreshMember,
  target: FreshMember,
  options: RunOptions = {},
): Promise<readonly TableChange[]> {
  const {
    sync = new PostgresDataSync({ pgDump: undefined, environment: process.env }),
    dryRun = false,
    strategy = 'diff',
  } = options;
  const snapshot = await sync.openSnapshot(source.member);
  try {
    if (!dryRun) await sync.markIncomplete(target.member, 'a test', { clusterId, term });
    const job: SyncJob = {
      source: source.member,
      snapshot,
      target: target.member,
      term,
      keeper: options.keeper ?? new KeptRows(),
      control: options.control ?? watching(),
      dryRun,
    };
    const changes = await sync[strategy](job);
    if (!dryRun) await sync.conclude(target.member, source.member, { ...at, csn: snapshot.csn });
    return changes;
  } finally {
    snapshot.close();
  }
}

/** What the checkers from outside find between them. */
export async function differences(...members: readonly FreshMember[]): Promise<readonly Difference[]> {
  return await compareMembers(
    Object.fromEntries(
      members.map(({ member, rows }) => [
        member.id,
        (sql: string) => rows(`SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; ${sql}`),
      ]),
    ),
    { ignore: /^lockstep\./ },
  );
}
