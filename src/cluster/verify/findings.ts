/**
 * What a verification knows so far. It is made of looks, each at a place of its own in the order. A difference counts when two
 * looks one after the other have found it: a schema statement that came in between can make equal members look different once.
 *
 * A table: open ──equal──▶ done;  open ──differs──▶ suspected ──differs──▶ done;  suspected ──equal──▶ done.
 */

import type {
  ComparedTable,
  Comparison,
  Finding,
  MemberDifference,
  TableDifference,
} from '../../dialects/sync-contract.ts';
import { isWitnessed, rowsApart, tableSentence } from './judge.ts';
import type { RowApart } from './judge.ts';

export type Outcome = 'equal' | 'differs' | 'unchecked';

export interface VerifiedTable {
  readonly table: string;
  /** Of those that are right. */
  readonly rows: number;
  /** The place in the order at which it was compared. */
  readonly csn: number;
  readonly outcome: Outcome;
  readonly members: Readonly<Record<string, Outcome>>;
  readonly rowsApart: readonly RowApart[];
}

/** A table that could not be compared so often is left at that. */
const failuresMax = 5;
/** So often something is looked at while it looks different each time. */
const looksMax = 6;

type ByMember = ReadonlyMap<string, readonly Finding[]>;

/** Undefined: it differed, or so it seemed. */
type Suspected = ReadonlyMap<string, TableDifference | undefined>;

interface Suspicion {
  schema: ByMember;
  sequences: ByMember;
}

/** Who is compared at a look. */
export interface Compared {
  readonly ids: readonly string[];
  readonly primaryId: string;
}

/** `contested`: nobody holds the same as the primary. */
interface Judged<T> {
  readonly found: T;
  readonly contested: boolean;
}

/** By member, whatever is not as on the primary. */
export interface Differences {
  /** Another member holds the same as the primary. */
  readonly wrong: ReadonlyMap<string, MemberDifference>;
  /** Nobody does. */
  readonly contested: ReadonlyMap<string, MemberDifference>;
}

export class Findings {
  readonly #done = new Map<string, VerifiedTable>();
  readonly #differences = new Map<string, Judged<ReadonlyMap<string, TableDifference>>>();
  /** By table, who differed at the look before. */
  readonly #suspected = new Map<
    string,
    { readonly differences: Suspected; readonly looks: number; readonly contested: boolean }
  >();
  readonly #failures = new Map<
    string,
    { readonly count: number; readonly reason: string; readonly csn: number }
  >();
  #definitions: 'open' | Suspicion | 'done' = 'open';
  #definitionLooks = 0;
  #schema: ReadonlyMap<string, readonly Judged<Finding>[]> = new Map();
  #sequences: ReadonlyMap<string, readonly Judged<Finding>[]> = new Map();
  readonly #damaged = new Map<string, { count: number; text: string }>();
  /** By member, tables that were not watched on it. */
  readonly #unwatched = new Map<string, Map<string, string>>();
  /** By member. */
  readonly #passed = new Map<string, string[]>();
  #allTold = false;
  /** Since the last look has begun. */
  #told = new Set<string>();
  #restless: string | undefined;
  /** Grows with whatever is known. */
  progress = 0;

  /** Tables that need not be looked at again. */
  get done(): ReadonlySet<string> {
    return new Set([...this.#done.keys(), ...this.#givenUp()]);
  }

  /** Also those of which nothing could be found out. */
  get tables(): readonly VerifiedTable[] {
    const unchecked = [...this.#failures].map(([table, { csn }]): VerifiedTable => {
      return { table, rows: 0, csn, outcome: 'unchecked', members: {}, rowsApart: [] };
    });
    return [...this.#done.values(), ...unchecked];
  }

  /** Something looked different, and is to be looked at again. */
  get suspicious(): boolean {
    return this.#suspected.size > 0 || typeof this.#definitions === 'object';
  }

  get definitionsWanted(): boolean {
    return this.#definitions !== 'done';
  }

  /** Everything that was asked for has been found out. */
  get complete(): boolean {
    return (
      this.#allTold && this.#definitions === 'done' && this.#suspected.size === 0 && this.#open().length === 0
    );
  }

  /** Why something could not be found out; undefined when everything was. */
  get failure(): string | undefined {
    const [failure] = this.#failures.values();
    return failure?.reason ?? this.#restless;
  }

  /** They cannot be compared with the others, as two looks have found. */
  get damaged(): readonly string[] {
    return [...this.#damaged].filter(([, { count }]) => count > 1).map(([id]) => id);
  }

  /** What was written to a table that the primary did not watch is on the primary alone. */
  wasUnwatchedOn(member: string, table: string): boolean {
    return this.#unwatched.get(member)?.has(table) === true;
  }

  table(
    { table, rows, members, differences, certain, failure }: ComparedTable,
    csn: number,
    { ids: all, primaryId }: Compared,
  ): void {
    this.#told.add(table);
    if (failure !== undefined) {
      const count = (this.#failures.get(table)?.count ?? 0) + 1;
      this.#failures.set(table, { count, reason: failure, csn });
      return;
    }
    this.progress += 1;
    this.#failures.delete(table);
    const { differences: before, looks } = this.#suspected.get(table) ?? { differences: new Map(), looks: 0 };
    const left = this.#sinceBefore(before, { differences, members, csn });
    const isNew = [...differences.keys()].some((member) => !before.has(member));
    if (isNew && looks < looksMax) {
      this.#suspected.set(table, {
        differences: certain ? differences : doubted(differences),
        looks: looks + 1,
        contested: this.#isContested(table, { ids: members, primaryId }, differences),
      });
      return;
    }
    this.#suspected.delete(table);
    const confirmed = new Map([...left, ...[...differences].filter(([member]) => before.has(member))]);
    const contested = this.#isContested(table, { ids: members, primaryId }, confirmed);
    this.#differences.set(table, { found: confirmed, contested });
    const verdict = (id: string): Outcome =>
      confirmed.has(id) ? 'differs' : members.includes(id) ? 'equal' : 'unchecked';
    this.#done.set(table, {
      table,
      rows,
      csn,
      outcome: confirmed.size > 0 ? 'differs' : 'equal',
      members: Object.fromEntries(all.map((id) => [id, verdict(id)])),
      rowsApart: rowsApart(members, confirmed),
    });
  }

  /** What a look has found besides rows. */
  look({ schema, sequences, complete }: Comparison, compared: Compared): void {
    this.#allTold ||= complete;
    if (complete) this.#forgetDropped();
    this.#told = new Set();
    if (this.#definitions === 'done') return;
    this.#definitionLooks += 1;
    this.progress += 1;
    const before = this.#definitions;
    if (schema.size === 0 && sequences.size === 0) {
      this.#definitions = 'done';
      return;
    }
    const confirmed = before === 'open' ? undefined : confirmedBy(before, { schema, sequences });
    if (confirmed === undefined && this.#definitionLooks < looksMax) {
      this.#definitions = { schema, sequences };
      return;
    }
    this.#definitions = 'done';
    if (confirmed === undefined)
      this.#restless = 'definitions looked different again and again, each time in another place';
    if (confirmed === undefined) return;
    this.#schema = judged(confirmed.schema, compared);
    this.#sequences = judged(confirmed.sequences, compared);
  }

  damage(member: string, text: string): void {
    const count = (this.#damaged.get(member)?.count ?? 0) + 1;
    this.#damaged.set(member, { count, text });
    this.progress += 1;
  }

  /** They are watched again, and their rows have to be looked at: what was written meanwhile has reached nobody else. */
  watched(member: string, found: readonly Finding[]): void {
    const known = this.#unwatched.get(member) ?? new Map<string, string>();
    this.#unwatched.set(member, known);
    for (const { what, text } of found) {
      known.set(what, `${text}; it is watched again`);
      this.#done.delete(what);
      this.#suspected.delete(what);
      this.#differences.delete(what);
    }
    this.#allTold = false;
    this.progress += 1;
  }

  /** They could not be. Nobody is taken out for it: on another member it may be the same. */
  unwatched(member: string, found: readonly Finding[], why: string): void {
    const known = this.#unwatched.get(member) ?? new Map<string, string>();
    this.#unwatched.set(member, known);
    for (const { what, text } of found) known.set(what, `${text}; ${why}`);
  }

  get differences(): Differences {
    const all = { wrong: new Collected(), contested: new Collected() };
    const among = (contested: boolean): Collected => (contested ? all.contested : all.wrong);
    // A server that cannot read its data is evidence enough, also against the primary.
    for (const id of this.damaged) all.wrong.of(id).schema.push(this.#damaged.get(id)?.text ?? '');
    for (const [id, found] of this.#schema)
      for (const { found: one, contested } of found) among(contested).of(id).schema.push(one.text);
    for (const { found, contested } of this.#differences.values())
      for (const [id, difference] of found) among(contested).of(id).tables.push(difference);
    // What there was no further look at.
    for (const { differences, contested } of this.#suspected.values())
      for (const [id, difference] of differences)
        if (difference !== undefined) among(contested).of(id).tables.push(difference);
    for (const [id, found] of this.#sequences)
      for (const { found: one, contested } of found) among(contested).of(id).sequences.push(one.text);
    return { wrong: all.wrong.members, contested: all.contested.members };
  }

  /** What was written to a table that the primary did not watch has reached nobody: then it is known who is right. */
  #isContested(
    table: string,
    { ids, primaryId }: Compared,
    differences: ReadonlyMap<string, unknown>,
  ): boolean {
    if (this.wasUnwatchedOn(primaryId, table)) return false;
    return !isWitnessed(primaryId, ids, (id) => differences.has(id));
  }

  /** By member, what was found and needs no repair: tables are watched again, rows that differed are equal now. */
  get settled(): ReadonlyMap<string, readonly string[]> {
    const found = new Map<string, string[]>();
    for (const [id, tables] of this.#unwatched) found.set(id, [...tables.values()]);
    for (const [id, lines] of this.#passed) found.set(id, [...(found.get(id) ?? []), ...lines]);
    return found;
  }

  /**
   * What was there for certain, and is no more: a commit has overwritten it. Or the member is no longer among those that are
   * compared, and still differs.
   */
  #sinceBefore(
    before: Suspected,
    now: Pick<ComparedTable, 'differences' | 'members'> & { readonly csn: number },
  ): ReadonlyMap<string, TableDifference> {
    const left = new Map<string, TableDifference>();
    for (const [member, difference] of before) {
      if (difference === undefined || now.differences.has(member)) continue;
      if (now.members.includes(member)) {
        const text = `${tableSentence(difference)}; at CSN ${now.csn} they were equal again`;
        this.#passed.set(member, [...(this.#passed.get(member) ?? []), text]);
      } else left.set(member, difference);
    }
    return left;
  }

  /** All that there is was told of, and these were not. */
  #forgetDropped(): void {
    for (const table of [...this.#suspected.keys(), ...this.#open()]) {
      if (this.#told.has(table)) continue;
      this.#suspected.delete(table);
      this.#failures.delete(table);
    }
  }

  #givenUp(): readonly string[] {
    return [...this.#failures].filter(([, { count }]) => count >= failuresMax).map(([table]) => table);
  }

  #open(): readonly string[] {
    return [...this.#failures].filter(([, { count }]) => count < failuresMax).map(([table]) => table);
  }
}

function doubted(differences: ReadonlyMap<string, TableDifference>): Suspected {
  return new Map([...differences.keys()].map((id) => [id, undefined]));
}

/** Undefined: nothing of it was found twice. */
function confirmedBy(before: Suspicion, now: Suspicion): Suspicion | undefined {
  const schema = common(before.schema, now.schema);
  const sequences = common(before.sequences, now.sequences);
  return schema.size + sequences.size === 0 ? undefined : { schema, sequences };
}

function common(before: ByMember, now: ByMember): ByMember {
  const found = [...now].map(([id, findings]) => {
    const known = new Set(before.get(id)?.map(({ what }) => what));
    return [id, findings.filter(({ what }) => known.has(what))] as const;
  });
  return new Map(found.filter(([, findings]) => findings.length > 0));
}

/** Object by object: who differs in one may agree with the primary in another. */
function judged(
  found: ByMember,
  { ids, primaryId }: Compared,
): ReadonlyMap<string, readonly Judged<Finding>[]> {
  const differs = (id: string, what: string): boolean =>
    found.get(id)?.some((one) => one.what === what) === true;
  return new Map(
    [...found].map(([member, findings]) => [
      member,
      findings.map((one) => ({
        found: one,
        contested: !isWitnessed(primaryId, ids, (id) => differs(id, one.what)),
      })),
    ]),
  );
}

class Collected {
  readonly members = new Map<string, { schema: string[]; tables: TableDifference[]; sequences: string[] }>();

  of(id: string): { schema: string[]; tables: TableDifference[]; sequences: string[] } {
    const known = this.members.get(id) ?? { schema: [], tables: [], sequences: [] };
    this.members.set(id, known);
    return known;
  }
}
