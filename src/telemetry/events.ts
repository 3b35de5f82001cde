/**
 * Everything that happens to a cluster and that somebody may want to know (G9). The engine raises these; what becomes of
 * them — a log line, a history, later a metric — is decided by the sinks.
 */

/** What is said about each kind of event, besides its time. */
interface EventFields {
  'node-started': { readonly cluster: string; readonly term: number; readonly address: string };
  'node-stopped': { readonly reason: string };
  'term-started': { readonly term: number; readonly primary: string };
  'config-reloaded': { readonly applied: readonly string[]; readonly needsRestart: readonly string[] };
  'config-refused': { readonly reason: string };
  'config-edited': {
    readonly missing: readonly string[];
    readonly changed: readonly string[];
    /** Null: it could be used. */
    readonly fault: string | null;
  };
  'member-added': { readonly member: string; readonly url: string };
  'member-removed': { readonly member: string; readonly reason: string };
  'member-activated': { readonly member: string; readonly reason: string };
  'member-deactivated': { readonly member: string; readonly reason: string };
  'member-unfit': { readonly member: string; readonly reason: string };
  'member-recovered': { readonly member: string };
  'member-at-risk': { readonly member: string; readonly risk: string };
  'member-quarantined': { readonly member: string; readonly reason: string };
  'sync-started': {
    readonly member: string;
    readonly strategy: string;
    readonly source: string | undefined;
    readonly reason: string;
  };
  'sync-progress': {
    readonly member: string;
    readonly phase: string;
    readonly table: string | undefined;
    readonly tablesDone: number;
    readonly tablesTotal: number;
    readonly rowsDone: number;
    readonly rowsTotal: number;
    readonly bytesDone: number;
    /** Of the last seconds. */
    readonly rowsPerSecond: number;
    readonly bytesPerSecond: number;
    /** Undefined when nothing can be said yet. */
    readonly leftMs: number | undefined;
    /** Of the table that is named. */
    readonly tableRowsDone: number | undefined;
    readonly tableRowsTotal: number | undefined;
    readonly tableBytesDone: number | undefined;
    readonly tableLeftMs: number | undefined;
    /** Commits that it still lacks; undefined while that does not matter. */
    readonly lagCsn: number | undefined;
  };
  'sync-copied': { readonly member: string; readonly table: string; readonly rows: number };
  'sync-changed': {
    readonly member: string;
    readonly table: string;
    readonly missing: number;
    readonly extra: number;
    readonly keptFile: string | undefined;
  };
  'sync-ended': {
    readonly member: string;
    readonly strategy: string;
    readonly source: string | undefined;
    /** Replayed commits, or rows that were changed. */
    readonly rows: number;
    readonly bytes: number;
    readonly tookMs: number;
  };
  'sync-failed': {
    readonly member: string;
    readonly strategy: string | undefined;
    readonly source: string | undefined;
    readonly reason: string;
    readonly retryMs: number;
  };
  'member-differs': { readonly member: string; readonly difference: string };
  'record-refused': {
    readonly csn: number;
    /** Of the first answer. */
    readonly sqlState: string | undefined;
    readonly members: readonly string[];
    /** By member. */
    readonly answers: Readonly<Record<string, string>>;
    readonly done: string;
  };
  'trial-refused': {
    readonly members: readonly string[];
    /** Of the first answer. */
    readonly sqlState: string | undefined;
    /** By member. */
    readonly answers: Readonly<Record<string, string>>;
  };
  'index-left-out': {
    readonly member: string;
    readonly index: string;
    readonly table: string;
    readonly unique: boolean;
    /** What the index's code said. */
    readonly reason: string;
  };
  'definition-not-repeatable': { readonly definition: string; readonly reason: string };
  'primary-differs': {
    readonly primary: string;
    /** Those that differ from it. */
    readonly members: readonly string[];
    /** One sentence for each. */
    readonly differences: readonly string[];
  };
  'primary-agrees': { readonly primary: string };
  'rows-suspected': { readonly table: string; readonly members: readonly string[] };
  'capture-restored': { readonly member: string; readonly tables: readonly string[] };
  'verification-ended': {
    readonly outcome: 'equal' | 'differs' | 'unchecked';
    /** Why something could not be checked. */
    readonly reason: string | undefined;
    readonly csn: number | undefined;
    readonly members: readonly string[];
    readonly tables: number;
    readonly rows: number;
    /** How long commits waited while the snapshots were opened. */
    readonly heldMs: number;
    readonly tookMs: number;
  };
  'primary-switched': { readonly from: string | null; readonly to: string; readonly reason: string };
  'session-replayed': {
    readonly statements: number;
    /** `different` means that the client was told 40001. */
    readonly answers: 'equal' | 'different';
  };
  'commit-late': { readonly csn: number; readonly member: string; readonly waitedMs: number };
  'commit-decided-dead': { readonly csn: number; readonly reason: string };
  'recovery-filled': {
    readonly member: string;
    readonly from: string;
    readonly firstCsn: number;
    readonly lastCsn: number;
  };
  'foreign-write-found': { readonly member: string };
  'client-refused': { readonly address: string; readonly reason: string };
  'passwords-guessed': { readonly address: string; readonly user: string };
  'clients-paused': {};
  'clients-resumed': {};
  'command-ran': {
    readonly door: 'local' | 'http' | 'sql';
    readonly who: string;
    readonly from: string;
    readonly command: string;
    /** As JSON, without secrets, cut off when it is long. */
    readonly input: string;
    readonly outcome: 'done' | 'begun' | 'refused' | 'failed';
    readonly error: string | undefined;
  };
  'hook-failed': { readonly hook: string; readonly event: EventType; readonly reason: string };
  'hook-dropped': { readonly hook: string; readonly events: number };
  'internal-error': { readonly where: string; readonly error: string };
}

export type EventType = keyof EventFields;
export type EngineEventBody = { [T in EventType]: { readonly type: T } & EventFields[T] }[EventType];
/** `at` is ISO 8601. */
export type EngineEvent = EngineEventBody & { readonly at: string };

/** Takes events. It must not throw and must not wait: the engine does not look back. */
export interface EventSink {
  emit(event: EngineEvent): void;
}

export type EventLevel = 'debug' | 'info' | 'warn' | 'error';

interface EventDoc<T extends EventType> {
  readonly level: EventLevel;
  /** When it is raised and what it means to an operator. */
  readonly meaning: string;
  /** One line for people. */
  readonly say: (event: EventFields[T]) => string;
}

/** The catalogue: one row per kind of event. */
export const EVENTS: { readonly [T in EventType]: EventDoc<T> } = {
  'node-started': {
    level: 'info',
    meaning: 'The node has let the first client in.',
    say: (e) => `cluster ${e.cluster} is served on ${e.address}, term ${e.term}`,
  },
  'node-stopped': {
    level: 'info',
    meaning: 'The node lets no more clients in.',
    say: (e) => `the node has stopped: ${e.reason}`,
  },
  'term-started': {
    level: 'info',
    meaning: 'A node has fenced off every earlier one.',
    say: (e) => `term ${e.term} begins with ${e.primary} as primary`,
  },
  'config-reloaded': {
    level: 'info',
    meaning:
      'The configuration file was read again. What can be taken over is in force; the rest waits for a new start.',
    say: (e) =>
      `the configuration was read again: ${e.applied.length === 0 ? 'nothing is taken over' : `${e.applied.join(', ')} taken over`}${e.needsRestart.length === 0 ? '' : `; only a new start takes over ${e.needsRestart.join(', ')}`}`,
  },
  'config-refused': {
    level: 'warn',
    meaning: 'The configuration file was read again and cannot be used; nothing has changed.',
    say: (e) => `the configuration stays as it was: ${e.reason}`,
  },
  'config-edited': {
    level: 'warn',
    meaning:
      'The configuration file was changed by hand while the node runs, and the node does not work by it: it was not read again, it is wrong, or it lacks members of the cluster.',
    say: (e) =>
      e.fault !== null
        ? `the configuration file was changed, and cannot be used: ${e.fault}`
        : e.missing.length > 0
          ? `the configuration file lacks ${e.missing.join(', ')}, which the cluster has: put it back, or remove it properly; the node does not start with it`
          : `the configuration file was changed by hand, and was not read again: ${e.changed.join(', ')}`,
  },
  'member-added': {
    level: 'info',
    meaning:
      'An operator has taken a database into the cluster. It becomes active when it has been brought level.',
    say: (e) => `member ${e.member} is added, at ${e.url}`,
  },
  'member-removed': {
    level: 'warn',
    meaning: 'A member is no longer part of the cluster, and nothing is remembered of it.',
    say: (e) => `member ${e.member} is removed: ${e.reason}`,
  },
  'member-activated': {
    level: 'info',
    meaning: 'The member is level with the others; it takes writes and answers reads.',
    say: (e) => `member ${e.member} is active: ${e.reason}`,
  },
  'member-deactivated': {
    level: 'warn',
    meaning:
      'The member is left alone until it has been synchronised. Recorded durably before it takes effect.',
    say: (e) => `member ${e.member} is inactive: ${e.reason}`,
  },
  'member-unfit': {
    level: 'warn',
    meaning: 'The member has failed a probe or a request. More of this makes it inactive.',
    say: (e) => `member ${e.member} is unfit: ${e.reason}`,
  },
  'member-recovered': {
    level: 'info',
    meaning: 'A member that was unfit has passed a probe again.',
    say: (e) => `member ${e.member} answers again`,
  },
  'member-at-risk': {
    level: 'warn',
    meaning:
      'A setting of the member endangers what it holds. A grave one, under which it must not take part, makes it inactive too.',
    say: (e) => `member ${e.member} is at risk: ${e.risk}`,
  },
  'member-quarantined': {
    level: 'warn',
    meaning:
      'The member has come back and failed again so often that it is tried only now and then, until it has been well for a while.',
    say: (e) => `member ${e.member} is in quarantine: ${e.reason}`,
  },
  'sync-started': {
    level: 'info',
    meaning: 'An inactive member that answers is being brought level.',
    say: (e) =>
      `member ${e.member} is brought level by ${e.strategy}${e.source === undefined ? '' : ` from ${e.source}`}: ${e.reason}`,
  },
  'sync-progress': {
    level: 'info',
    meaning: 'How far a synchronisation is: at the beginning of each phase, and every few seconds.',
    say: (e) =>
      `member ${e.member}: ${e.phase}${e.table === undefined ? '' : ` ${e.table}`}, ${e.tablesDone} of ${e.tablesTotal} tables, ${e.rowsDone} of about ${e.rowsTotal} rows${e.lagCsn === undefined ? '' : `, ${e.lagCsn} commits to go`}`,
  },
  'sync-copied': {
    level: 'info',
    meaning: 'Rows of a table were copied into a member that had none of it.',
    say: (e) => `member ${e.member}: ${e.table} is copied, ${e.rows.toLocaleString('en')} rows`,
  },
  'sync-changed': {
    level: 'warn',
    meaning: 'Rows of a table were made equal. What was removed or overwritten is in the file.',
    say: (e) =>
      `member ${e.member}: ${e.table} lacked ${e.missing} rows and had ${e.extra} others${e.keptFile === undefined ? '' : `, kept in ${e.keptFile}`}`,
  },
  'sync-ended': {
    level: 'info',
    meaning: 'The member is level. It becomes active with this.',
    say: (e) => `member ${e.member} is level by ${e.strategy} after ${e.tookMs} ms, ${e.rows} rows`,
  },
  'sync-failed': {
    level: 'warn',
    meaning:
      'An attempt at bringing a member level has ended without success; the member stays inactive. It is tried again.',
    say: (e) => `member ${e.member} is not level yet: ${e.reason}; next attempt in ${e.retryMs} ms`,
  },
  'member-differs': {
    level: 'error',
    meaning:
      'A verification has found a difference from the primary and another member. The member is taken out, and brought level by comparing.',
    say: (e) => `member ${e.member} differs: ${e.difference}`,
  },
  'record-refused': {
    level: 'error',
    meaning:
      'A commit of the primary can be applied by no replica, which is not their fault. They are inactive until they have been compared, which begins at once and counts against nobody. The commit itself stands, unless `done` says otherwise.',
    say: (e) =>
      `no replica can apply CSN ${e.csn}: ${Object.entries(e.answers)
        .map(([member, answer]) => `${member}: ${answer}`)
        .join('; ')}; ${e.done}`,
  },
  'trial-refused': {
    level: 'warn',
    meaning:
      'A schema statement was tried on the replicas before the primary committed it, and these cannot do it: they lack a role, a tablespace, a library, a right. Its client has the error, and nothing took effect on any member. It is so until those servers have what is missing.',
    say: (e) =>
      `a schema statement was rolled back (${e.sqlState ?? 'no SQLSTATE'}): ${Object.values(e.answers).join('; ')}`,
  },
  'index-left-out': {
    level: 'error',
    meaning:
      'An index could not be computed on this member from rows that the primary has stored. The rows are there; the index is neither written to nor read by, on this member, until REINDEX. A unique one is not enforced by this member if it becomes the primary.',
    say: (e) =>
      `member ${e.member} goes on without ${e.unique ? 'unique ' : ''}index ${e.index} of ${e.table}: ${e.reason}; REINDEX INDEX ${e.index} brings it back`,
  },
  'definition-not-repeatable': {
    level: 'warn',
    meaning:
      'A check, domain, generated column, partition key or index may come out otherwise on another member, or later. Rows are stored as the primary stored them all the same. Once for each definition while the node runs, when its rows are first stored elsewhere.',
    say: (e) => `${e.definition} depends on ${e.reason}; its rows are stored as they were`,
  },
  'primary-differs': {
    level: 'error',
    meaning:
      'A verification has found that the primary differs from replicas where no other member agrees with it. That proves nothing against either side, so nobody is taken out and nothing is repaired: a person has to decide. Until then reads are answered by the primary, and by members that agree with it. `lockstep status` names the commands, `lockstep verify --last` shows the rows side by side.',
    say: (e) =>
      `primary ${e.primary} differs from ${e.members.join(', ')}, and nobody agrees with it: ${e.differences.slice(0, 5).join('; ')}; it is for a person to decide: lockstep status`,
  },
  'primary-agrees': {
    level: 'info',
    meaning: 'The primary differs from nobody any more: every active member answers reads again.',
    say: (e) => `nobody differs from primary ${e.primary} any more`,
  },
  'rows-suspected': {
    level: 'warn',
    meaning: 'A few rows looked different on members that were asked for them. The table is verified next.',
    say: (e) => `rows of ${e.table} looked different on ${e.members.join(', ')}`,
  },
  'capture-restored': {
    level: 'error',
    meaning:
      'Changes of these tables were captured by nobody, because triggers of Lockstep were missing or disabled. The triggers are back; the rows are compared next.',
    say: (e) => `member ${e.member}: ${e.tables.join(', ')} were not watched, and are again`,
  },
  'verification-ended': {
    level: 'info',
    meaning: 'Active members were compared: `equal`, `differs`, or `unchecked` with the reason.',
    say: (e) =>
      `members ${e.members.join(', ')} were compared: ${e.outcome}${e.reason === undefined ? '' : ` (${e.reason})`}, ${e.tables} tables, ${e.rows} rows`,
  },
  'primary-switched': {
    level: 'warn',
    meaning: 'Another member executes transactions first from now on.',
    say: (e) => `primary is now ${e.to}${e.from === null ? '' : `, no longer ${e.from}`}: ${e.reason}`,
  },
  'session-replayed': {
    level: 'info',
    meaning:
      'An open transaction was run again on a new primary. With equal answers its client has noticed nothing.',
    say: (e) => `an open transaction was run again: ${e.statements} statements, answers ${e.answers}`,
  },
  'commit-late': {
    level: 'warn',
    meaning: 'A member has not confirmed a commit in time. It becomes inactive.',
    say: (e) => `member ${e.member} has not confirmed CSN ${e.csn} within ${e.waitedMs} ms`,
  },
  'commit-decided-dead': {
    level: 'warn',
    meaning:
      'The primary was lost during a COMMIT and nobody has its write set: the cluster has decided that it did not happen.',
    say: (e) => `CSN ${e.csn} is dead: ${e.reason}`,
  },
  'recovery-filled': {
    level: 'info',
    meaning: 'At start, a member lacked write sets that another had; they were applied to it.',
    say: (e) => `member ${e.member} was given CSN ${e.firstCsn} to ${e.lastCsn} from ${e.from}`,
  },
  'foreign-write-found': {
    level: 'error',
    meaning: 'Somebody has lifted the guard of a member and written to it. Members are verified next.',
    say: (e) => `member ${e.member} was written to around Lockstep`,
  },
  'client-refused': {
    level: 'warn',
    meaning: 'A connection was not let in.',
    say: (e) => `a client from ${e.address} was refused: ${e.reason}`,
  },
  'passwords-guessed': {
    level: 'warn',
    meaning:
      'Ten wrong passwords have come from one address, the last for this user. Each further one waits longer before it is looked at. Told again only when the address has been quiet for a minute.',
    say: (e) => `somebody at ${e.address} tries passwords, last for user ${JSON.stringify(e.user)}`,
  },
  'clients-paused': {
    level: 'warn',
    meaning: 'An operator lets new transactions of clients wait.',
    say: () => 'new transactions wait until `resume`',
  },
  'clients-resumed': {
    level: 'info',
    meaning: 'Clients that were kept waiting go on.',
    say: () => 'clients go on',
  },
  'command-ran': {
    level: 'info',
    meaning:
      'Somebody asked for a command that changes something: by which door, from where, with what, and what became of it.',
    say: (e) =>
      `${e.command} ${e.input} was asked for by ${e.who} (${e.door}, ${e.from}): ${e.outcome}${e.error === undefined ? '' : `, ${e.error}`}`,
  },
  'hook-failed': {
    level: 'warn',
    meaning: 'A hook could not be told of an event, or could not do what it should. No hook is told of this.',
    say: (e) => `hook ${e.hook} has failed at ${e.event}: ${e.reason}`,
  },
  'hook-dropped': {
    level: 'warn',
    meaning:
      'A hook is too slow for what happens, or the node stops: it was not told of so many events. No hook is told of this.',
    say: (e) => `hook ${e.hook} was not told of ${e.events} events`,
  },
  'internal-error': {
    level: 'error',
    meaning: 'Something in the node failed that should not have. Please report it.',
    say: (e) => `internal error in ${e.where}: ${e.error}`,
  },
};

export const EVENT_TYPES = Object.keys(EVENTS) as [EventType, ...EventType[]];

export function describeEvent(event: EngineEvent): string {
  // The row fits the event by construction; TypeScript cannot follow the correlation through the union.
  const doc = EVENTS[event.type] as EventDoc<EventType>;
  return doc.say(event);
}
