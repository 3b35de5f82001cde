/**
 * From changes in order to what has to be done to each table, order gone.
 *
 * Within a table only the net effect counts: foreign keys and triggers are off in the applying session, so tables do not
 * see each other, and a row that changed three times is written once. Changes are joined by their row images, from
 * either side: a trigger that updates a row of the statement that fired it is captured before that statement's own
 * change, and its old image is then the new image of what follows.
 */

import type { Change } from './write-set.ts';

export interface RowChange {
  old: Buffer | null;
  new: Buffer | null;
  /** What was in force where the row became as it is now: JSON; null where nothing was said of it. */
  under: Buffer | null;
}

/** Names hold one character for each byte, whatever the encoding of the database. */
export interface TablePlan {
  readonly schema: string;
  readonly table: string;
  readonly changes: RowChange[];
}

interface Joined extends RowChange {
  gone: boolean;
  /** Others with the same image: tables without a key hold equal rows. */
  nextByNew: Joined | undefined;
  nextByOld: Joined | undefined;
}

interface TableState {
  readonly schema: string;
  readonly table: string;
  readonly all: Joined[];
  readonly byNew: Map<string, Joined>;
  readonly byOld: Map<string, Joined>;
}

export class RowPlan {
  readonly #tables = new Map<string, TableState>();

  get empty(): boolean {
    return this.#tables.size === 0;
  }

  has(table: TableBytes): boolean {
    return this.#tables.has(tableKey(table));
  }

  /** Whatever was done to the table does not count any more. */
  forget(table: TableBytes): void {
    this.#tables.delete(tableKey(table));
  }

  /** Afterwards no change in the plan ends as another begins, and none ends as it began. */
  add(change: Change, under: Buffer | null = null): void {
    const state = this.#stateOf(change);
    const earlier = change.old === null ? undefined : take(state.byNew, keyOf(change.old), 'nextByNew');
    const joined = earlier ?? begunAs(change.old);
    joined.new = change.new;
    joined.under = under;
    if (joined.new !== null && !changesNothing(joined)) {
      // A row that was deleted and came back as it was, or the late half of a change that a trigger overtook.
      const later = take(state.byOld, keyOf(joined.new), 'nextByOld');
      if (later !== undefined) {
        joined.new = later.new;
        joined.under = later.under;
        later.gone = true;
      }
    }
    if (changesNothing(joined)) {
      joined.gone = true;
      return;
    }
    if (joined.new !== null) put(state.byNew, keyOf(joined.new), joined, 'nextByNew');
    if (earlier !== undefined) return;
    state.all.push(joined);
    if (joined.old !== null) put(state.byOld, keyOf(joined.old), joined, 'nextByOld');
  }

  tables(): TablePlan[] {
    const plans: TablePlan[] = [];
    for (const { schema, table, all } of this.#tables.values()) {
      const changes = all.filter(({ gone }) => !gone);
      if (changes.length > 0) plans.push({ schema, table, changes });
    }
    return plans;
  }

  #stateOf(change: Change): TableState {
    const key = tableKey(change);
    let state = this.#tables.get(key);
    if (state === undefined) {
      state = {
        schema: change.schema.toString('latin1'),
        table: change.table.toString('latin1'),
        all: [],
        byNew: new Map(),
        byOld: new Map(),
      };
      this.#tables.set(key, state);
    }
    return state;
  }
}

/** A table as write sets name it. */
export type TableBytes = Pick<Change, 'schema' | 'table'>;

export function tableKey({ schema, table }: TableBytes): string {
  return `${schema.toString('latin1')}\0${table.toString('latin1')}`;
}

type Link = 'nextByNew' | 'nextByOld';

function begunAs(old: Buffer | null): Joined {
  return { old, new: null, under: null, gone: false, nextByNew: undefined, nextByOld: undefined };
}

function changesNothing({ old, new: next }: RowChange): boolean {
  return old === null || next === null ? old === next : old.equals(next);
}

function keyOf(image: Buffer): string {
  return image.toString('latin1');
}

/** Maps hold entries that may have moved on since: an entry counts under a key only while its image still is that key. */
function take(map: Map<string, Joined>, key: string, link: Link): Joined | undefined {
  const image = link === 'nextByNew' ? 'new' : 'old';
  for (let entry = map.get(key); entry !== undefined; entry = entry[link]) {
    if (entry[link] === undefined) map.delete(key);
    else map.set(key, entry[link]);
    if (!entry.gone && entry[image]?.toString('latin1') === key) return entry;
  }
  return undefined;
}

function put(map: Map<string, Joined>, key: string, entry: Joined, link: Link): void {
  entry[link] = map.get(key);
  map.set(key, entry);
}
