/** One PostgreSQL database as a member of a cluster. */

import type { Socket } from 'node:net';
import { InvariantError, LockstepError, messageOf, systemClock, withDeadline } from '../../base/index.ts';
import { judgeNested, quoteLiteral } from '../../sql/index.ts';
import type { NestedReading } from '../../sql/index.ts';
import { MemberError } from '../contract.ts';
import type {
  ApplyLink,
  LoggedRun,
  Member,
  MemberLog,
  MemberReport,
  SessionIdentity,
  SessionLink,
  SessionListener,
  TrialLink,
  Vitals,
  WriteSet,
} from '../contract.ts';
import type { Spool } from '../spool.ts';
import { PostgresApplyLink } from './apply-link.ts';
import type { PostgresCatalog } from './catalog.ts';
import { withWayCleared } from './cleared-way.ts';
import { connect } from './connect.ts';
import { dangersQuery, readDangers } from './dangers.ts';
import type { Address, Login } from './connect.ts';
import { endBackends } from './end-backends.ts';
import { logSegments } from './log-segments.ts';
import { askControlFunctions, NodeSecret } from './control-functions.ts';
import { controlFormat, createControlSchema } from './control-schema.ts';
import { pinnedSettings } from './pinned-settings.ts';
import { lastLoggedCsn } from './last-logged-csn.ts';
import { askProbe, prepareProbe } from './member-probe.ts';
import { InternalConnection } from './internal-connection.ts';
import { PostgresLogReader } from './log-reader.ts';
import { isAtWork, watchSilence } from './silence-watch.ts';
import type { BackendQuestion } from './silence-watch.ts';
import { Remarks } from './remarks.ts';
import { PostgresSessionLink } from './session-link.ts';
import { PostgresTrialLink } from './trial-link.ts';
import { clearingSettings, dropBuilding } from './unfinished-indexes.ts';

export interface PostgresMemberOptions {
  readonly id: string;
  readonly address: Address;
  readonly database: string;
  readonly user: string;
  readonly password: string | undefined;
  readonly maxMessageBytes: number;
}

/** What all members of a cluster share. */
export interface PostgresShared {
  readonly catalog: PostgresCatalog;
  readonly spool: () => Spool;
  readonly primaryId: () => string;
  readonly remarks?: Remarks;
}

const ownSettings: readonly (readonly [string, string])[] = [
  ['application_name', 'lockstep'],
  ['client_encoding', 'UTF8'],
  // Whatever the database or role sets for its clients: the engine's own statements are not to be stopped by it.
  ['statement_timeout', '0'],
  ['lock_timeout', '0'],
  ['idle_in_transaction_session_timeout', '0'],
  ['default_transaction_read_only', 'off'],
  ['default_transaction_isolation', 'read committed'],
  ['default_transaction_deferrable', 'off'],
];

/** What takes longer than this, of the engine's own small questions, is not going to be answered. */
const questionMs = 30_000;

/** Of so many sessions that ended in a transaction the server processes are remembered. */
const sessionPidsMax = 10_000;

/** A write set is read from the log in pieces of this size. */
const readBytes = 2 << 20;

/** Every segment by name, so that the index is used, which begins with the segment. */
const everySlot = `slot = ANY ('{${Array.from({ length: logSegments }, (_, slot) => slot).join(',')}}')`;

export class PostgresMember implements Member {
  readonly id: string;
  readonly options: PostgresMemberOptions;
  readonly log: MemberLog;
  readonly remarks: Remarks;
  readonly #shared: PostgresShared;
  #probe: InternalConnection | undefined;
  #kept: InternalConnection | undefined;
  /** How often `close` was called. */
  #closed = 0;
  /** The server process of the last apply link. */
  #applyPid: number | undefined;
  /** The same of the last trial link. */
  #trialPid: number | undefined;
  /** Server processes of sessions that may still carry out what they were sent: in use, or left in a transaction. */
  readonly #sessionPids = new Set<number>();
  /** Those that may build an index, in transactions of their own: also when nobody waits for it any more. */
  readonly #builders = new Map<number, PostgresSessionLink>();
  /** The probe under way. */
  #probing: object | undefined;
  readonly #secret = new NodeSecret();
  /** The member's numbers of the functions that are called in sessions. Undefined: to be asked. */
  #functionNumbers: Promise<ReadonlyMap<string, number>> | undefined;

  constructor(options: PostgresMemberOptions, shared: PostgresShared) {
    this.id = options.id;
    this.options = options;
    this.#shared = shared;
    this.remarks = shared.remarks ?? new Remarks(() => undefined);
    this.log = {
      list: (afterCsn, upToCsn) => this.#listLog(afterCsn, upToCsn),
      read: (csn) => this.#readLog(csn),
      openReader: async () => new PostgresLogReader(await this.openInternal(), (csn) => this.#readLog(csn)),
    };
  }

  /** A connection for the engine's own use, with further settings if need be. The caller closes it. */
  async openInternal(settings: Readonly<Record<string, string>> = {}): Promise<InternalConnection> {
    const all = new Map([...ownSettings, ...Object.entries(settings)]);
    const connection = await InternalConnection.open(this.options.address, this.#login(all));
    watchSilence(connection, (pid) => this.#backend(pid));
    return connection;
  }

  async use<T>(work: (connection: InternalConnection) => Promise<T>): Promise<T> {
    const connection = await this.openInternal();
    try {
      return await work(connection);
    } finally {
      connection.close();
    }
  }

  /** As `use`, on a connection that is kept for the next time; a log-in costs more than a short question. One call at a time. */
  async useKept<T>(work: (connection: InternalConnection) => Promise<T>): Promise<T> {
    const kept = this.#kept?.lost === undefined ? this.#kept : undefined;
    const closed = this.#closed;
    const connection = kept ?? (await this.openInternal());
    if (closed !== this.#closed) {
      connection.close();
      throw new MemberError(this.id, 'gone', `member ${this.id} is not asked any more`);
    }
    this.#kept = connection;
    try {
      return await work(connection);
    } catch (error) {
      connection.close();
      // It may have been dead for long.
      if (kept === undefined || closed !== this.#closed) throw error;
      return await this.useKept(work);
    }
  }

  /** As `use`, with the settings that the server gives to anybody. */
  async useBare<T>(work: (connection: InternalConnection) => Promise<T>): Promise<T> {
    const connection = await InternalConnection.open(this.options.address, this.#login([]));
    try {
      return await work(connection);
    } finally {
      connection.close();
    }
  }

  /** As `use`, for what is quickly answered: then a member that has gone silent must not be waited for. */
  async #ask<T>(work: (connection: InternalConnection) => Promise<T>, ms = questionMs): Promise<T> {
    return await this.use((connection) =>
      this.#inTime(ms, this.#understood(work(connection)), `answered a question of Lockstep's own`),
    );
  }

  #inTime<T>(ms: number, work: Promise<T>, what: string): Promise<T> {
    const late = (): MemberError =>
      new MemberError(this.id, 'gone', `member ${this.id} has not ${what} within ${ms} ms`);
    return withDeadline(systemClock, ms, work, late);
  }

  /** An answer that no server gives breaks whatever reads it. */
  async #understood<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      const known = [MemberError, LockstepError, InvariantError].some((kind) => error instanceof kind);
      if (known) throw error;
      const why = `member ${this.id} has answered what cannot be understood: ${messageOf(error)}`;
      throw new MemberError(this.id, 'unfit', why);
    }
  }

  #backend(pid: number): ReturnType<BackendQuestion> {
    return this.#ask(async (connection) => {
      const [row] = await connection.rows(
        `SELECT state, wait_event, wait_event_type = 'Lock' FROM pg_catalog.pg_stat_activity WHERE pid = ${pid}`,
      );
      return row === undefined
        ? undefined
        : {
            state: row[0] ?? null,
            waitsFor: row[1] ?? null,
            isLockedOut: row[2] === 't',
          };
    });
  }

  inspect(): Promise<MemberReport> {
    return this.#ask(async (connection) => {
      const serverVersion = connection.parameters.get('server_version') ?? '';
      const [there] = await connection.rows(`SELECT to_regclass('lockstep.member') IS NOT NULL`);
      const [[unsafe] = []] = await connection.rows(dangersQuery);
      const dangers = readDangers(unsafe);
      const unmarked = { serverVersion, marks: undefined, term: 0, lastCsn: 0, dangers, unlogged: false };
      if (there?.[0] !== 't') return unmarked;
      const [row] = await connection.rows(
        `SELECT m.format, m.cluster_id, m.member_id, m.version, array_to_json(m.active), m.base_csn, m.incomplete, (SELECT last_value FROM lockstep.term),
           greatest(m.base_csn, (${lastLoggedCsn})), pg_sequence_last_value(to_regclass('lockstep.foreign_write')),
           EXISTS (SELECT FROM pg_class WHERE relkind = 'r' AND relpersistence = 'u') FROM lockstep.member m`,
      );
      if (row === undefined) return unmarked;
      const [format, clusterId, memberId, version, active, baseCsn, incomplete, ...rest] = row;
      const [term, lastCsn, foreignWrite, unlogged] = rest;
      if (Number(format) !== controlFormat) {
        throw new LockstepError({
          code: 'postgres.other-format',
          message: `member ${this.id} has a control schema of format ${format}; this version of Lockstep has format ${controlFormat}`,
          hint: 'Use the version of Lockstep that made it, or detach the member and let it be synchronised.',
        });
      }
      const marks = {
        clusterId: clusterId ?? '',
        memberId: memberId ?? '',
        version: Number(version),
        active: JSON.parse(active ?? '[]') as string[],
        baseCsn: Number(baseCsn),
        incomplete: incomplete ?? null,
        writtenAround: foreignWrite !== null,
      };
      return {
        ...unmarked,
        marks,
        term: Number(term),
        lastCsn: Number(lastCsn),
        unlogged: unlogged === 't',
      };
    });
  }

  /** A write of its own, and a look at whether this still is who it was. */
  async probe(): Promise<Vitals> {
    // One that has not been answered is given up with its connection: its successor must not wait behind it.
    if (this.#probing !== undefined) this.#dropProbe();
    const probing = {};
    this.#probing = probing;
    try {
      return await this.#probeOnce(probing);
    } catch (error) {
      if (this.#probing === probing) this.#dropProbe();
      throw error;
    } finally {
      if (this.#probing === probing) this.#probing = undefined;
    }
  }

  async #probeOnce(probing: object): Promise<Vitals> {
    if (this.#probe?.lost !== undefined) this.#probe = undefined;
    let connection = this.#probe;
    if (connection === undefined) {
      connection = await this.openInternal();
      if (this.#probing !== probing) {
        connection.close();
        throw new MemberError(this.id, 'gone', `member ${this.id}: the probe was given up`);
      }
      // Kept from here on, so that whoever gives the probe up closes it, also before it is prepared.
      this.#probe = connection;
      await prepareProbe(connection);
    }
    return await askProbe(connection, this.id);
  }

  #dropProbe(): void {
    this.#probe?.close();
    this.#probe = undefined;
    this.#probing = undefined;
  }

  enroll(as: {
    clusterId: string;
    version: number;
    active: readonly string[];
    baseCsn: number;
  }): Promise<void> {
    return this.use(async (connection) => {
      const [there] = await connection.rows(
        `SELECT to_regclass('lockstep.member') IS NOT NULL, current_setting('is_superuser')`,
      );
      const superuser = there?.[1] === 'on';
      await connection.query('BEGIN; SET LOCAL lockstep.guard = off; SET LOCAL client_min_messages = error');
      // It is no event for the event triggers of users.
      if (superuser) await connection.query('SET LOCAL session_replication_role = replica');
      if (there?.[0] !== 't') {
        await connection.query(createControlSchema({ superuser }));
        await connection.query(
          `INSERT INTO lockstep.member (format, cluster_id, member_id, version, active, base_csn)
           VALUES (${controlFormat}, ${quoteLiteral(as.clusterId)}, ${quoteLiteral(this.id)}, ${as.version}, ${arrayLiteral(as.active)}, ${as.baseCsn})`,
        );
      }
      await connection.query('SELECT lockstep.attach(); COMMIT');
      this.#functionNumbers = undefined;
    });
  }

  async raiseTerm(term: number): Promise<void> {
    await this.#ask((connection) =>
      connection.query(`SELECT lockstep.raise_term(${term}); ${this.#admission(term)}`),
    );
  }

  /** Makes this node the one whose sessions the member takes. */
  #admission(term: number): string {
    this.#functionNumbers = undefined;
    return `SELECT lockstep.admit(${term}, ${quoteLiteral(this.#secret.digest)}::bytea)`;
  }

  async mark(marks: { version: number; active: readonly string[] }): Promise<void> {
    await this.#ask((connection) =>
      connection.query(
        `UPDATE lockstep.member SET version = ${marks.version}, active = ${arrayLiteral(marks.active)} WHERE version <= ${marks.version}`,
      ),
    );
  }

  async openApply(term: number): Promise<ApplyLink> {
    const connection = await this.#openWriter(term, (pid) => {
      const before = [this.#applyPid, this.#trialPid];
      this.#applyPid = pid;
      this.#trialPid = undefined;
      return before;
    });
    await this.#dropBuilding().catch((error: unknown) => {
      connection.close();
      throw error;
    });
    return new PostgresApplyLink({
      memberId: this.id,
      connection,
      term,
      connect: () => this.openInternal(),
      isAtWork: async () => isAtWork(await this.#backend(connection.pid)),
      dropBuilding: () => this.#dropBuilding(),
      remarks: this.remarks,
    });
  }

  /** Ends who builds an index for nobody any more. */
  async endLeftBuilders(): Promise<void> {
    const left = [...this.#builders].filter(([, link]) => link.lost !== undefined).map(([pid]) => pid);
    if (left.length > 0) await this.#ask((connection) => endBackends(connection, left));
    for (const pid of left) this.#builders.delete(pid);
  }

  /** Who reads the tables meanwhile is given a moment. */
  async #dropBuilding(): Promise<number> {
    const connection = await this.openInternal({ ...clearingSettings, lock_timeout: '0' });
    const { pid } = connection;
    const own = [...this.#builders.keys()];
    try {
      const dropped = await withWayCleared(dropBuilding(connection, own), {
        pid,
        connect: () => this.openInternal(),
      });
      for (const ended of own) this.#builders.delete(ended);
      return dropped;
    } finally {
      connection.close();
    }
  }

  async openTrial(term: number): Promise<TrialLink> {
    const connection = await this.#openWriter(term, (pid) => {
      const before = [this.#trialPid];
      this.#trialPid = pid;
      return before;
    });
    return new PostgresTrialLink({ memberId: this.id, connection, term, remarks: this.remarks });
  }

  /** For what other members have committed. `follow`: notes the new server process, and returns those that it takes the place of. */
  async #openWriter(
    term: number,
    follow: (pid: number) => readonly (number | undefined)[],
  ): Promise<InternalConnection> {
    const settings = [
      ...ownSettings,
      ...Object.entries(pinnedSettings),
      ['session_replication_role', 'replica'],
      ['row_security', 'off'],
      // Keys are looked up one by one: a plan made for an empty table must not stay when it has grown.
      ['plan_cache_mode', 'force_generic_plan'],
      ['enable_seqscan', 'off'],
      ['jit', 'off'],
      ['lockstep.guard', 'off'],
    ] as const;
    const connection = await InternalConnection.open(
      this.options.address,
      this.#login(settings.map(([name, value]) => [name, value])),
    );
    // They may still be at work on what their other end has given up.
    const pids = follow(connection.pid).filter((pid) => pid !== undefined);
    if (pids.length > 0) await endBackends(connection, pids);
    // Row images travel in the encoding of the database, which all members share: nothing is converted on the way.
    const [encoding] = await connection.rows('SHOW server_encoding');
    await connection.query(
      `${this.#admission(term)}; SET client_encoding = ${quoteLiteral(encoding?.[0] ?? 'UTF8')}`,
    );
    return connection;
  }

  async openSession(identity: SessionIdentity, listener: SessionListener): Promise<SessionLink> {
    const { address, database, user, password, maxMessageBytes } = this.options;
    const login: Login = {
      user: identity.user ?? user,
      password: identity.user === undefined ? password : (identity.password as Login['password']),
      database,
      settings: [...identity.settings, ['default_transaction_read_only', 'on']],
    };
    // A client waits, and another member may have its session at once.
    const { connectMs } = address;
    this.#functionNumbers ??= this.#ask(askControlFunctions, connectMs);
    const numbers = await this.#functionNumbers.catch((error: unknown) => {
      this.#functionNumbers = undefined;
      throw error;
    });
    const connection = await connect(address, login);
    const { catalog, spool, primaryId } = this.#shared;
    const settings = {
      maxMessageBytes,
      spool,
      deferred: () => catalog.hasDeferred,
      tableOid: (oid: number) => catalog.tableNumber(oid, this.id, primaryId()),
      functions: this.#secret.functions(numbers),
      builds: (builder: PostgresSessionLink, begins: boolean) => {
        if (begins) this.#builders.set(builder.pid, builder);
        else this.#builders.delete(builder.pid);
      },
      judgeNested: (stack: Buffer, reading: NestedReading) => judgeNested(stack, reading, catalog),
    };
    let opened = false;
    const link = new PostgresSessionLink(this.id, address, connection, settings, {
      unasked: (id, message) => listener.unasked(id, message),
      // Whoever waits for the session is told by the rejection.
      lost: (error) => (opened ? listener.lost(error) : undefined),
    });
    this.#watchSession(link, connection.socket);
    try {
      await this.#inTime(connectMs, link.open(), 'taken a session');
    } catch (error) {
      link.close();
      throw error;
    }
    opened = true;
    return link;
  }

  sameNumbers(numbers: ReadonlySet<number>, otherId: string): boolean {
    return this.#shared.catalog.sameTypes(numbers, otherId, this.id);
  }

  #watchSession(link: PostgresSessionLink, socket: Socket): void {
    const { pid } = link;
    const pids = this.#sessionPids;
    for (const oldest of pids) if (pids.size >= sessionPidsMax) pids.delete(oldest);
    pids.add(pid);
    this.#builders.delete(pid);
    // Outside of a transaction nothing can be on its way that would still be committed.
    socket.once('close', () => {
      if (link.transaction === 'none') pids.delete(pid);
    });
  }

  async shutOut(): Promise<void> {
    const writers = [this.#applyPid, this.#trialPid].filter((pid) => pid !== undefined);
    const pids = [...this.#sessionPids, ...writers];
    if (pids.length > 0) await this.#ask((connection) => endBackends(connection, pids));
    for (const pid of pids) this.#sessionPids.delete(pid);
    await this.#dropBuilding();
  }

  async working(links: readonly SessionLink[]): Promise<ReadonlySet<SessionLink>> {
    const asked = links as readonly PostgresSessionLink[];
    const rows = await this.#ask((connection) =>
      connection.rows(
        `SELECT pid, state NOT LIKE 'idle%' AND wait_event IS DISTINCT FROM 'ClientRead' FROM pg_stat_activity
          WHERE pid IN (${asked.map(({ pid }) => pid).join(', ')})`,
      ),
    );
    const works = new Map(rows.map(([pid, atWork]) => [Number(pid), atWork === 't']));
    // Who waits for what is still to come is as it should be; but one who waits for more has asked for it, and was not heard.
    return new Set(asked.filter(({ pid, awaitsInput }) => (awaitsInput ? works.has(pid) : works.get(pid))));
  }

  /** Ends whoever could still commit, waits until that is done, and looks into the log. */
  settle(csn: number, link: SessionLink): Promise<'committed' | 'absent'> {
    return this.#ask(async (connection) => {
      await endBackends(connection, [(link as PostgresSessionLink).pid]);
      const found = await connection.rows(
        `SELECT FROM lockstep.log WHERE ${everySlot} AND csn = ${csn} LIMIT 1`,
      );
      return found.length === 0 ? 'absent' : 'committed';
    });
  }

  async dropSegment(slot: number, upToCsn: number): Promise<void> {
    const part = slot % logSegments;
    await this.#ask((connection) =>
      connection.query(`SET lock_timeout = 1000; DO $$ BEGIN
        LOCK TABLE lockstep.log_${part} IN ACCESS EXCLUSIVE MODE;
        IF EXISTS (SELECT FROM lockstep.log_${part} WHERE slot = ${part} AND csn > ${upToCsn}) THEN
          RAISE EXCEPTION 'a record above CSN ${upToCsn} is still needed' USING ERRCODE = 'object_in_use';
        END IF;
        UPDATE lockstep.member SET base_csn = greatest(base_csn, (SELECT max(csn) FROM lockstep.log_${part} WHERE slot = ${part}));
        TRUNCATE lockstep.log_${part};
      END $$`),
    );
  }

  close(): void {
    this.#closed += 1;
    this.#kept?.close();
    this.#kept = undefined;
    this.#dropProbe();
  }

  /** The runs are made where the log is: there are few of them, and tens of thousands of records. */
  async #listLog(afterCsn: number, upToCsn?: number): Promise<readonly LoggedRun[]> {
    const range = `csn > ${afterCsn}${upToCsn === undefined ? '' : ` AND csn <= ${upToCsn}`}`;
    const rows = await this.#ask((connection) =>
      connection.rows(
        `SELECT min(csn), max(csn), term, slot, dead FROM (
           SELECT csn, term, slot, dead, csn - row_number() OVER (PARTITION BY term, slot, dead ORDER BY csn) AS run FROM (
             SELECT csn, term, slot, payload IS NULL AS dead FROM lockstep.log WHERE ${everySlot} AND ${range} AND part = 1) AS places) AS placed
          GROUP BY term, slot, dead, run ORDER BY 1`,
      ),
    );
    return rows.map(([fromCsn, toCsn, term, slot, dead]) => ({
      fromCsn: Number(fromCsn),
      toCsn: Number(toCsn),
      term: Number(term),
      slot: Number(slot),
      dead: dead === 't',
    }));
  }

  async #readLog(csn: number): Promise<WriteSet | null> {
    const where = `FROM lockstep.log WHERE ${everySlot} AND csn = ${csn}`;
    return await this.use(async (connection) => {
      const parts = await connection.rows(
        `SELECT part, octet_length(payload) ${where} AND payload IS NOT NULL ORDER BY part`,
      );
      if (parts.length === 0) return null;
      const spool = this.#shared.spool();
      for (const [part, bytes] of parts) {
        for (let from = 1; from <= Number(bytes); from += readBytes) {
          const piece = `encode(substr(payload, ${from}, ${readBytes}), 'base64')`;
          const [row] = await connection.rows(`SELECT ${piece} ${where} AND part = ${part}`);
          await spool.add(Buffer.from(row?.[0] ?? '', 'base64'));
        }
      }
      return await spool.finish();
    });
  }

  #login(settings: Login['settings']): Login {
    const { user, password, database } = this.options;
    return { user, password, database, settings };
  }
}

function arrayLiteral(values: readonly string[]): string {
  return `ARRAY[${values.map(quoteLiteral).join(', ')}]::text[]`;
}
