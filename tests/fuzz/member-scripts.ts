/**
 * What the node asks of a member, call by call, each on its own. The same calls are made of a real server when the corpus is
 * recorded and of a false one when it is used.
 */

import { PostgresCatalog, PostgresMember } from '../../src/dialects/postgres/index.ts';
import { MemoryWriteSet } from '../../src/dialects/postgres/write-set.ts';
import { openSpool } from '../../src/dialects/spool.ts';
import type { AnswerSink, RunOptions, SessionLink } from '../../src/dialects/contract.ts';
import type { PostgresRequest } from '../../src/dialects/postgres/index.ts';
import { frontend } from '../../src/wire/postgres/index.ts';

/** Makes one call; what it resolves to, or undefined when it was rejected. */
export type Call = <T>(what: string, work: () => Promise<T>) => Promise<T | undefined>;

export type MemberScript = (member: PostgresMember, call: Call) => Promise<void>;

export interface MemberPlace {
  readonly port: number;
  readonly database: string;
  readonly user: string;
  /** For write sets too large for memory. */
  readonly directory: string;
}

export const clusterId = 'fuzzed';

export function memberAt({ port, database, user, directory }: MemberPlace): PostgresMember {
  const address = {
    memberId: 'db1',
    host: '127.0.0.1',
    port,
    tls: { mode: 'prefer' },
    connectMs: 3_000,
  } as const;
  return new PostgresMember(
    { id: 'db1', address, database, user, password: 'secret', maxMessageBytes: 0x7fff_ffff },
    {
      catalog: new PostgresCatalog(),
      spool: () => openSpool({ directory, memoryBytes: 1 << 16 }),
      primaryId: () => 'db1',
    },
  );
}

/** Keeps what it is told, as far as it is interesting. */
class KeptAnswer implements AnswerSink {
  bytes = 0;
  wantsInput: () => void = () => undefined;
  readonly #heldBack: boolean;

  constructor({ heldBack }: { readonly heldBack: boolean }) {
    this.#heldBack = heldBack;
  }

  get passedOn(): boolean {
    return !this.#heldBack;
  }

  write(bytes: Buffer): boolean {
    this.bytes += bytes.length;
    return true;
  }

  drained(): Promise<void> {
    return Promise.resolve();
  }

  inputWanted(): void {
    this.wantsInput();
  }
}

const plainly: RunOptions = { settings: [], begin: undefined, mayBeUnsuitable: 'no' };
const writing: RunOptions = { ...plainly, begin: { sql: 'BEGIN READ WRITE' } };
const asReplica: RunOptions = { ...plainly, mayBeUnsuitable: 'any' };

function simple(sql: string): PostgresRequest {
  return { protocol: 'simple', messages: [{ kind: 'plain', frame: frontend.query(sql) }] };
}

function extended(sql: string, values: readonly string[], name = ''): PostgresRequest {
  const parse = frontend.parse({ name, query: sql });
  const statement = { name, parse, confirmed: false };
  return {
    protocol: 'extended',
    messages: [
      { kind: 'parse', frame: parse, statement },
      { kind: 'uses', frame: frontend.bind({ statement: name, values }), statement },
      { kind: 'plain', frame: frontend.describe('portal') },
      { kind: 'plain', frame: frontend.execute() },
    ],
  };
}

async function opened(member: PostgresMember, call: Call): Promise<SessionLink | undefined> {
  // In a node that comes first, too: from here on the member takes its sessions.
  const applying = await call('openApply', () => member.openApply(1));
  applying?.close();
  return await call('openSession', () =>
    member.openSession(
      { user: undefined, password: undefined, settings: new Map([['application_name', 'fuzz']]) },
      { unasked: () => undefined, lost: () => undefined },
    ),
  );
}

/** Each begins with its own connection. */
export const memberScripts: Readonly<Record<string, MemberScript>> = {
  'a session that reads': async (member, call) => {
    const link = await opened(member, call);
    if (link === undefined) return;
    const asks: readonly [PostgresRequest, RunOptions][] = [
      [simple('SELECT 1 AS one, NULL, repeat(chr(65), 300)'), plainly],
      [simple('SELECT id, note FROM fuzzed ORDER BY id'), asReplica],
      [extended('SELECT id FROM fuzzed WHERE note = $1', ['one'], 's'), asReplica],
      [simple(`DO $$ BEGIN RAISE NOTICE 'noted'; END $$`), plainly],
      [simple('SELECT 1/0'), asReplica],
      [simple('SELECT 1; SELECT 2; SELEC'), plainly],
      [simple(''), plainly],
      [simple(`COPY fuzzed TO STDOUT`), asReplica],
      [simple(`INSERT INTO fuzzed VALUES (9)`), asReplica],
      [simple(`SELECT repeat('x', 300000)`), asReplica],
      [simple('SELECT 1'), { ...plainly, settings: [{ sql: `SET work_mem = '8MB'` }] }],
      [simple('SELECT 1'), { ...plainly, settings: [{ sql: `SET work_mem = '-8MB'` }] }],
    ];
    for (const [request, options] of asks)
      await call('run', () => link.run(request, new KeptAnswer({ heldBack: true }), options));
    link.close();
  },

  'a session that writes': async (member, call) => {
    const link = await opened(member, call);
    if (link === undefined) return;
    const run = (request: PostgresRequest, options: RunOptions): Promise<unknown> =>
      call('run', () => link.run(request, new KeptAnswer({ heldBack: false }), options));
    const commit = (csn: number, large: boolean): Promise<unknown> =>
      call('commit', () =>
        link.commit({
          csn,
          term: 1,
          slot: 0,
          large,
          onWriteSet: (writeSet) => writeSet?.release(),
          onLatePart: () => undefined,
          sink: new KeptAnswer({ heldBack: false }),
        }),
      );
    await run(simple(`INSERT INTO fuzzed VALUES (11, 'eleven'), (12, NULL)`), writing);
    await commit(1, false);
    await run(extended(`INSERT INTO fuzzed VALUES ($1, 'x')`, ['13'], 'insert'), writing);
    await run(simple('UPDATE fuzzed SET note = repeat(note, 200)'), plainly);
    await call('pendingBytes', () => link.pendingBytes());
    await commit(2, true);
    await run(simple('INSERT INTO fuzzed VALUES (11)'), writing);
    await call('rollback', () => link.rollback());
    await run(simple(`INSERT INTO deferring VALUES (1), (1)`), writing);
    await commit(3, false);
    await call('rollback', () => link.rollback());
    await run(simple('COPY (SELECT 1) TO STDOUT'), { ...plainly, begin: { sql: 'BEGIN READ ONLY' } });
    await call('endReadOnly', () => link.endReadOnly());
    await copyIn(link, call);
    await commit(4, false);
    await call('cancel', () => link.cancel());
    link.close();
  },

  'a replica that applies': async (member, call) => {
    const link = await call('openApply', () => member.openApply(1));
    if (link === undefined) return;
    await call('lastCsn', () => link.lastCsn());
    const record = (csn: number, changes: Buffer | undefined): Promise<unknown> =>
      call('apply', () =>
        link.apply([
          {
            csn,
            term: 1,
            slot: 0,
            writeSet: changes === undefined ? null : new MemoryWriteSet([changes]),
          },
        ]),
      );
    await record(101, undefined);
    await record(102, inserted('(21,"twenty one")', '(22,)'));
    await record(103, inserted('(23,)'));
    // It is there already: tried in another manner, and refused.
    await record(104, inserted('(23,)'));
    await call('lastCsn', () => link.lastCsn());
    link.close();
  },

  'questions of the engine': async (member, call) => {
    await call('inspect', () => member.inspect());
    await call('probe', () => member.probe());
    await call('probe', () => member.probe());
    await call('mark', () => member.mark({ version: 2, active: ['db1', 'db2'] }));
    await call('raiseTerm', () => member.raiseTerm(1));
    await call('list', () => member.log.list(0));
    const writeSet = await call('read', () => member.log.read(1));
    writeSet?.release();
    const reader = await call('openReader', () => member.log.openReader());
    if (reader !== undefined) {
      const page = await call('page', () => reader.read({ afterCsn: 0, upToCsn: 10, bytesMax: 1 << 20 }));
      for (const { writeSet: one } of page?.records ?? []) one?.release();
      reader.close();
    }
    await call('dropSegment', () => member.dropSegment(3, 0));
    const catalog = new PostgresCatalog();
    await call('loadTables', () => member.use((connection) => catalog.loadTables('db1', connection)));
    await call('loadFunctions', () => member.use((connection) => catalog.loadFunctions(connection)));
  },
};

async function copyIn(link: SessionLink, call: Call): Promise<void> {
  const sink = new KeptAnswer({ heldBack: false });
  sink.wantsInput = () => {
    link.input(frontend.copyData(Buffer.from('31\tcopied\n')));
    link.inputEnds(frontend.copyDone);
  };
  await call('run', () => link.run(simple('COPY fuzzed FROM STDIN'), sink, writing));
}

/** As the capture writes it: rows inserted into `public.fuzzed`. */
function inserted(...rows: readonly string[]): Buffer {
  return Buffer.from(rows.map((row) => insertOf(row)).join(''));
}

function insertOf(row: string): string {
  return `INSERT6,6:publicfuzzed${row}`;
}
