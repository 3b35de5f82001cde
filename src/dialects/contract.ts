/**
 * What the engine asks of a database product. The engine orders, decides and remembers; a dialect talks to members.
 * Requests and answers of clients pass through as bytes that only the front and the dialect understand.
 */

/** The changes of one transaction, in order. `bytes` counts what it holds in memory or in its spool file. */
export interface WriteSet {
  readonly bytes: number;
  /** The parts in order. May be read more than once. Each part holds whole changes. */
  parts(): Iterable<Buffer> | AsyncIterable<Buffer>;
  /** Frees what it occupies. Called once, when no member needs it any more. */
  release(): void;
}

/** One place in the one order. Without a write set the transaction is dead: decided against, and recorded as such. */
export interface CommitRecord {
  readonly csn: number;
  readonly term: number;
  readonly slot: number;
  readonly writeSet: WriteSet | null;
  /** How long the primary was at it, where that is known. */
  readonly primaryMs?: number;
}

/** Who a failure belongs to; each dialect classifies its errors once, in one table. */
export type Blame =
  /** The statement's own: every member would answer the same. */
  | 'client'
  /** Another try may succeed: serialization failure, deadlock, lock timeout. */
  | 'retry'
  /** The member answers but cannot do its work: disk full, read-only, out of connections, wrong identity. */
  | 'unfit'
  /** Its rows are not what its commits have made of them: an order cannot be carried out. */
  | 'diverged'
  /** The connection or the server is gone. */
  | 'gone'
  /** A newer node has taken over. */
  | 'fenced';

export class MemberError extends Error {
  readonly memberId: string;
  readonly blame: Blame;
  readonly sqlState: string | undefined;

  constructor(memberId: string, blame: Blame, message: string, sqlState?: string) {
    super(message);
    this.name = 'MemberError';
    this.memberId = memberId;
    this.blame = blame;
    this.sqlState = sqlState;
  }
}

/** What a member says of itself. `marks` is absent when it has never been part of a cluster. */
export interface MemberReport {
  readonly serverVersion: string;
  readonly marks: MemberMarks | undefined;
  readonly term: number;
  /** The highest CSN in its commit log, or where its log begins. */
  readonly lastCsn: number;
  readonly dangers: readonly Danger[];
  /** Some of its tables are emptied when its server crashes, and nobody else's: their rows may be gone, although its log has them. */
  readonly unlogged: boolean;
}

/** Something about a member that endangers what it holds. */
export interface Danger {
  /** The same one is named the same the next time. */
  readonly what: string;
  readonly text: string;
  /** It must not take part. */
  readonly grave: boolean;
}

/** What a member says of itself at each probe. */
export interface Vitals {
  readonly clusterId: string;
  readonly term: number;
  /** The highest CSN in its commit log, or where its log begins. */
  readonly lastCsn: number;
  readonly dangers: readonly Danger[];
  /** Grows when somebody has lifted the guard and written; null: nobody has since the member was made level, as far as it can tell. */
  readonly foreignWrites: number | null;
}

export interface MemberMarks {
  readonly clusterId: string;
  readonly memberId: string;
  readonly version: number;
  readonly active: readonly string[];
  /** Where its log begins: every commit up to here is in its data, with or without a record; every one above has its record. */
  readonly baseCsn: number;
  /** Why this member must not be trusted, when a synchronisation did not finish. */
  readonly incomplete: string | null;
  /** Somebody has lifted its guard and written to it since it was made level last, as far as it can tell. */
  readonly writtenAround: boolean;
}

/** Applies the one order to a replica over a connection of its own. One call at a time. */
export interface ApplyLink {
  /** All records in one transaction, with their commit records. Rejects with MemberError; then nothing was applied, or it is unknown. */
  apply(records: readonly CommitRecord[]): Promise<void>;
  /** Whether the member does what `apply` has given it, and does not wait for anybody. Asked over another connection. */
  atWork(): Promise<boolean>;
  /** The highest CSN that this member has recorded. */
  lastCsn(): Promise<number>;
  /** The schema was changed over another connection. */
  schemaChanged(): void;
  /** Whatever runs is lost with it. No further write set is begun to be read: who closes the link releases them. */
  close(): void;
}

/**
 * What a trial has found.
 *
 *   held        carried out, and the transaction is open
 *   undecided   it could not be tried: something is locked, full, or lost
 *   lacks       the member has not got what a statement needs: a role, a library, a right
 *   differs     its rows or definitions are not what its commits have made of them, or it is the record's own fault
 */
export type TrialAnswer =
  | { readonly kind: 'held' }
  | { readonly kind: 'undecided' | 'lacks' | 'differs'; readonly error: MemberError };

/** Carries out, over a connection of its own, what is going to be a record. One call at a time. */
export interface TrialLink {
  /** Set once the connection is of no more use. */
  readonly lost: MemberError | undefined;
  /** Waits for nobody's locks. Unless it is held nothing is open afterwards. Never rejects. */
  hold(writeSet: WriteSet): Promise<TrialAnswer>;
  /** What is held becomes this record. Rejects with MemberError: then it is unknown whether it has. */
  commit(record: CommitRecord): Promise<void>;
  /** Nothing is held any more. */
  letGo(): Promise<void>;
  close(): void;
}

/** A record of the commit log without its write set. */
export interface LoggedPlace {
  readonly csn: number;
  readonly term: number;
  readonly slot: number;
  readonly dead: boolean;
}

/** Records of consecutive CSNs that have all the rest in common. */
export interface LoggedRun extends Omit<LoggedPlace, 'csn'> {
  readonly fromCsn: number;
  readonly toCsn: number;
}

export interface MemberLog {
  /** Of all records above `afterCsn`, and not above `upToCsn` if that is given; ascending. */
  list(afterCsn: number, upToCsn?: number): Promise<readonly LoggedRun[]>;
  read(csn: number): Promise<WriteSet | null>;
  /** For reading one page after another. The caller closes it. */
  openReader(): Promise<LogReader>;
}

export interface LogReader {
  /** What the log holds of a range, from its beginning: about `bytesMax` of it, but one record at least. */
  read(range: {
    readonly afterCsn: number;
    readonly upToCsn: number;
    readonly bytesMax: number;
  }): Promise<LogPage>;
  close(): void;
}

export interface LogPage {
  /** Ascending. Whoever reads the page releases their write sets. */
  readonly records: readonly CommitRecord[];
  /** Up to here there are no others. */
  readonly upToCsn: number;
  /** Where the log began when it had been read: if that is above `afterCsn`, records may be missing. */
  readonly baseCsn: number;
}

/** Who a session is, on every member alike. */
export interface SessionIdentity {
  /** Undefined: the cluster's own user with each member's credentials. */
  readonly user: string | undefined;
  /** Its text, or what else proves it; front and dialect know the form. */
  readonly password: unknown;
  /** Start-up settings of the client. */
  readonly settings: ReadonlyMap<string, string>;
}

/** Where the bytes of an answer go. */
export interface AnswerSink {
  /** Some of the answer has left for the client: it can no longer be taken back. */
  readonly passedOn: boolean;
  /** Returns false when the reader is slow: the link stops reading until `drained` resolves. */
  write(bytes: Buffer): boolean;
  drained(): Promise<void>;
  /** The member now expects data from the client (COPY FROM STDIN). */
  inputWanted(): void;
  /** What follows says that the request has succeeded. Called only once some of the answer has been passed on. */
  completing?(): void;
  /** A notice, which is no part of the result: it may overtake what is kept back, and may be given again when the request is run again. */
  notice?(bytes: Buffer): boolean;
}

/** How a request ended. */
export interface Answer {
  readonly failed: boolean;
  readonly sqlState: string | undefined;
  /** Digest of rows, tags and error codes: equal answers have equal digests. Not made of an answer outside of a transaction. */
  readonly digest: number;
  /** Rows reported as changed, for the estimate of the write set's size. */
  readonly rows: number;
  /** Set when a read-only member may not give this answer: it writes, or it speaks of objects by this member's numbers. Nothing reached the sink. */
  readonly unsuitable: 'writes' | 'member-specific' | undefined;
  /** What the client was told that another member may have given to something else: numbers of types, say. */
  readonly numbers?: ReadonlySet<number>;
  /** Code that it ran has changed the schema. */
  readonly changesSchema?: true;
}

export type TransactionState = 'none' | 'open' | 'failed';

export interface RunOptions {
  /** Settings of the session that this connection lacks; they come first and their answers nobody sees. */
  readonly settings: readonly unknown[];
  /** Begin a transaction in front of the request, and nobody sees the answer. */
  readonly begin: unknown;
  /**
   * Requests of our own right in front of this one and right behind it, in the same packet, within a transaction. Of them only an
   * error is seen, which is then the answer's; behind an error nothing is carried out any more.
   */
  readonly ahead?: readonly unknown[] | undefined;
  readonly behind?: readonly unknown[] | undefined;
  /**
   * Give the answer up, unseen, when it turns out not to be this member's to give: `writes` outside of a transaction
   * that may; `numbers` where it speaks of objects by numbers of this member; `any` of the two.
   */
  readonly mayBeUnsuitable: 'no' | 'writes' | 'numbers' | 'any';
}

export interface CommitOptions {
  readonly csn: number;
  readonly term: number;
  readonly slot: number;
  /** Ask for the write set first, in parts, and commit only when it is safely in hand. */
  readonly large: boolean;
  /** Called as soon as the write set is in hand, before the commit can be visible to anyone. */
  readonly onWriteSet: (writeSet: WriteSet | null) => void;
  /**
   * COMMIT itself makes a change, which is a further part of the record: what is in hand is not all of it, and when the commit has
   * succeeded the record is to be read from the member's log. Called before the commit can be visible to anyone.
   */
  readonly onLatePart: () => void;
  readonly sink: AnswerSink;
}

export interface SoFar {
  readonly bytes: number;
  readonly writeSet: WriteSet | undefined;
}

/** One connection of a session to one member. One call at a time. */
export interface SessionLink {
  readonly memberId: string;
  readonly transaction: TransactionState;
  /** Set once the connection is of no more use. */
  readonly lost: MemberError | undefined;
  /** Runs a request. Rejects with MemberError ('gone') when the connection broke; nothing is known of the effect then. */
  run(request: unknown, sink: AnswerSink, options: RunOptions): Promise<Answer>;
  /** Ends a transaction that wrote. 'refused': the member rolled back and the error is in the sink. */
  commit(options: CommitOptions): Promise<'committed' | 'refused'>;
  rollback(): Promise<void>;
  /** Ends a transaction that was begun read-only. */
  endReadOnly(): Promise<void>;
  /** How much the open transaction has changed, in bytes, near enough to choose how to commit it. */
  pendingBytes(): Promise<number>;
  /**
   * What would be its write set, once nothing is deferred any more; none where it has changed nothing or more than `bytesMax`.
   * Schema statements that code has run are judged before. 'refused': the error is in the sink.
   */
  writeSetSoFar(bytesMax: number, sink: AnswerSink): Promise<SoFar | 'refused'>;
  /** Passes on what the client sends while data is wanted. False: wait for `inputDrained`. */
  input(bytes: Buffer): boolean;
  inputDrained(): Promise<void>;
  /** The message that ends the data. False: it does not, and there will be another. */
  inputEnds(frame: Buffer): boolean;
  /** Asks the member to stop what this link runs. Resolves when the request was delivered. */
  cancel(): Promise<void>;
  /** The client closed a prepared statement: its name may come back with another meaning. */
  forget(name: string): void;
  /** `why`: whoever waits for an answer is told. */
  close(why?: string): void;
}

/** What a member tells a session outside of any answer. */
export interface SessionListener {
  /** A promise: whoever is told is slow, and nothing more should come before it resolves. */
  unasked(memberId: string, message: Buffer): Promise<void> | undefined;
  lost(error: MemberError): void;
}

/** One member, as the engine meets it. Every call has the deadline given by the dialect's options and rejects with MemberError. */
export interface Member {
  readonly id: string;
  inspect(): Promise<MemberReport>;
  /** Proves on a connection of its own, kept for the next time, that the member is itself and can commit. */
  probe(): Promise<Vitals>;
  /** Makes what a member of a cluster needs inside itself; on one that has it, puts right what is missing. */
  enroll(as: {
    clusterId: string;
    version: number;
    active: readonly string[];
    baseCsn: number;
  }): Promise<void>;
  raiseTerm(term: number): Promise<void>;
  mark(marks: { version: number; active: readonly string[] }): Promise<void>;
  /** What was opened before for applying or trying is over when this has resolved: nothing of it takes effect from then on. */
  openApply(term: number): Promise<ApplyLink>;
  openTrial(term: number): Promise<TrialLink>;
  /** A connection that is read-only in the database's own terms, except in transactions that Lockstep begins for writing. */
  openSession(identity: SessionIdentity, listener: SessionListener): Promise<SessionLink>;
  /** Whether each number that the other member has told means the same here. */
  sameNumbers(numbers: ReadonlySet<number>, otherId: string): boolean;
  /** Those of the links whose requests the member is still at work on. The others' answers are on their way, or lost. */
  working(links: readonly SessionLink[]): Promise<ReadonlySet<SessionLink>>;
  /** Whether `csn` is committed here, once nobody can commit it any more. */
  settle(csn: number, link: SessionLink): Promise<'committed' | 'absent'>;
  readonly log: MemberLog;
  /**
   * Ends whatever this node has begun on the member and left there: nothing of it takes effect from here on. The member takes no
   * part, so nothing else of this node is under way on it.
   */
  shutOut(): Promise<void>;
  /**
   * Empties a segment of the commit log, which then begins above it. Rejects when the segment holds a record above `upToCsn`,
   * which somebody may still need; or a call that was given up is carried out when the segment is in use again.
   */
  dropSegment(slot: number, upToCsn: number): Promise<void>;
  /** Lets go of the connections that are kept, and of a probe under way. */
  close(): void;
}

/** Compares members that have no common history. Answers each difference as a sentence; none: they are equal. */
export type ProveEqual = (members: readonly Member[]) => Promise<readonly string[]>;
