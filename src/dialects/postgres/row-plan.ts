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

  add(change: Change): void {
    const state = this.#stateOf(change);
    const { old, new: next } = change;
    const oldKey = old?.toString('latin1');
    const newKey = next?.toString('latin1');
    if (oldKey !== undefined) {
      const earlier = take(state.byNew, oldKey, 'nextByNew');
      if (earlier !== undefined) {
        earlier.new = next;
        if (newKey !== undefined) put(state.byNew, newKey, earlier, 'nextByNew');
        else if (earlier.old === null) earlier.gone = true;
        return;
      }
    }
    if (newKey !== undefined) {
      const later = take(state.byOld, newKey, 'nextByOld');
      // A row that was deleted and came back as it was, or the late half of a change that a trigger overtook.
      if (later !== undefined) {
        later.old = old;
        if (oldKey !== undefined) put(state.byOld, oldKey, later, 'nextByOld');
        else if (later.new === null) later.gone = true;
        return;
      }
    }
    const entry: Joined = { old, new: next, gone: false, nextByNew: undefined, nextByOld: undefined };
    state.all.push(entry);
    if (newKey !== undefined) put(state.byNew, newKey, entry, 'nextByNew');
    if (oldKey !== undefined) put(state.byOld, oldKey, entry, 'nextByOld');
  }

  tables(): TablePlan[] {
    const plans: TablePlan[] = [];
    for (const { schema, table, all } of this.#tables.values()) {
      const changes = all.filter(
        (change) => !change.gone && !(change.old && change.new && change.old.equals(change.new)),
      );
      if (changes.length > 0) plans.push({ schema, table, changes });
    }
    return plans;
  }

  #stateOf(change: Change): TableState {
    const key = `${change.schema.toString('latin1')}\0${change.table.toString('latin1')}`;
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

type Link = 'nextByNew' | 'nextByOld';

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
