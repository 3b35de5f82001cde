/** What an attack is: who makes it, where, and what is done. Whether it has got through, the observer says. */

import type { Hand } from './hand.ts';
import type { afterwards } from './observer.ts';
import type { Attacker, Stage } from './stage.ts';

export type Place = 'through the node' | 'at the primary' | 'at a replica';

export interface Scene {
  readonly stage: Stage;
  readonly hand: Hand;
  readonly by: Attacker;
  readonly place: Place;
}

/** Statements one after the other, on one connection, whatever is answered; or whatever else an attacker may do. */
export type Script = readonly string[] | ((scene: Scene) => Promise<void>);

export interface Attack {
  /** Completes the sentence "nothing is gained by …". */
  readonly name: string;
  /** Default: the one who may more. */
  readonly by?: Attacker;
  /** Default: through the node by itself, and at each member together with others, which refuses almost all of it at once. */
  readonly only?: 'through the node' | 'at the members';
  readonly run: Script;
  /** What an operator does next. */
  readonly afterwards?: keyof typeof afterwards;
}

export async function carryOut({ run }: Attack, scene: Scene): Promise<void> {
  if (typeof run === 'function') await run(scene);
  else await scene.hand.say(...run);
}

/** In a setting whose name is computed, so that no text shows it. */
export const setOwn = (name: string, value: string, local = true): string =>
  `SELECT set_config('lock' || 'step.${name}', ${value}, ${local})`;

/** Behind what has been captured. */
export const addToOwn = (piece: string): string =>
  setOwn('changes', `concat(current_setting('lock' || 'step.changes', true), ${piece})`);

/** A row for a table that the attacker has no right on, in the form in which captured rows are written. */
export const forgedRow = `'B5,7:' || 'vault' || 'secrets' || '(99,forged);'`;
export const forgedDelete = `'DELETE5,7:' || 'vault' || 'secrets' || '(1,gone)'`;

/** A schema statement of the role that Lockstep uses. */
export const forgedStatement = (statement: string): string =>
  `(SELECT concat('S8,10,2,', octet_length(s), ':postgrespg_catalog{}', s) FROM (SELECT '${statement.replaceAll("'", "''")}' AS s) x)`;

export const block = (body: string): string => `DO $block$ BEGIN ${body} END $block$`;
export const perform = (select: string): string => `${select.replace(/^SELECT/, 'PERFORM')};`;
