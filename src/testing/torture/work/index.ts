/** Every kind of work, and how often it is done. */

import type { SeededRandom } from '../../simulation/seeded-random.ts';
import { addUp, transfer } from './bank-work.ts';
import { workOnLists } from './list-work.ts';
import { changeSchema } from './schema-work.ts';
import { claim, copyIn, enter, increment, readBack, takeLong, takeTicket } from './small-works.ts';
import type { Work } from './work.ts';

const works = {
  list: { often: 30, work: workOnLists },
  transfer: { often: 15, work: transfer },
  sum: { often: 6, work: addUp },
  entry: { often: 10, work: enter },
  claim: { often: 8, work: claim },
  increment: { often: 10, work: increment },
  'read back': { often: 8, work: readBack },
  ticket: { often: 6, work: takeTicket },
  long: { often: 2, work: takeLong },
  copy: { often: 3, work: copyIn },
  schema: { often: 2, work: changeSchema },
} as const satisfies Readonly<Record<string, { readonly often: number; readonly work: Work }>>;

export type WorkName = keyof typeof works;
export const workNames = Object.keys(works) as readonly WorkName[];

export function pickWork(random: SeededRandom, names: readonly WorkName[]): { name: WorkName; work: Work } {
  let left = random.next() * names.reduce((sum, name) => sum + works[name].often, 0);
  const name = names.find((one) => (left -= works[one].often) < 0) ?? 'list';
  return { name, work: works[name].work };
}
