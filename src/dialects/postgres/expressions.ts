/**
 * What the expressions that the catalog keeps refer to. Each is looked through once: a row that was written by the same
 * transaction as the last time is the same row.
 */

import type { InternalConnection } from './internal-connection.ts';
import { builtinsQuery, expressionListQuery, expressionsQuery } from './purity-sql.ts';

/** Who uses, and what: as in `purity-sql.ts`, or `s` and the name of a setting, `c` and what a command does, `l` for what is one member's own. */
export type Use = readonly [user: string, used: string];

interface Expression {
  readonly writtenBy: string;
  readonly uses: readonly Use[];
}

export interface Builtin {
  readonly name: string;
  readonly volatile: boolean;
}

const firstOwn = 16_384;
/** Rows that are asked for at once: their texts are in memory together. */
const rowsAtOnce = 2000;

/** current_setting() of a constant, whose bytes follow its length. */
const settingCall = /:funcid (?:2077|3294) ([^{}]*:args \(\{CONST [^{}]*:constvalue \d+ \[ ?)([-0-9 ]*)\]/g;
const reference =
  /:(funcid|opfuncid|hashfuncid|aggfnoid|winfnoid|relid|resulttype|eqop|sortop|commandType|varattno) (-?\d+)/g;

export class Expressions {
  /** Of which server. */
  #source = '';
  #known = new Map<string, Expression>();
  #builtins: ReadonlyMap<string, Builtin> = new Map();

  builtin(oid: string): Builtin | undefined {
    return this.#builtins.get(oid);
  }

  /** All uses, as they are now. `source` names the server. */
  async read(connection: InternalConnection, version: number, source: string): Promise<readonly Use[]> {
    const rows = (sql: string): Promise<(string | null)[][]> =>
      connection.rows(`SET LOCAL search_path = pg_catalog; ${sql}`);
    const server = `${source} ${version}`;
    if (server !== this.#source) {
      this.#known = new Map();
      const builtins = await rows(builtinsQuery);
      this.#builtins = new Map(
        builtins.map(([oid, volatility, name]) => [
          oid ?? '',
          { name: name ?? '', volatile: volatility === 'v' },
        ]),
      );
      this.#source = server;
    }
    const now = new Map<string, Expression>();
    const wanted: (readonly [place: number, oid: string])[] = [];
    for (const [place, list] of await rows(expressionListQuery(version))) {
      for (const row of list?.split(' ') ?? []) {
        const [oid = '', writtenBy] = row.split('.');
        const key = `${place}.${oid}`;
        const known = this.#known.get(key);
        if (known?.writtenBy === writtenBy) now.set(key, known!);
        else wanted.push([Number(place), oid]);
      }
    }
    for (let at = 0; at < wanted.length; at += rowsAtOnce) {
      const some = new Map<number, string[]>();
      for (const [place, oid] of wanted.slice(at, at + rowsAtOnce)) {
        const oids = some.get(place);
        if (oids === undefined) some.set(place, [oid]);
        else oids.push(oid);
      }
      for (const [place, oid, writtenBy, user, tree] of await rows(expressionsQuery(version, some)))
        now.set(`${place}.${oid}`, { writtenBy: writtenBy ?? '', uses: usesOf(user ?? '', tree ?? '') });
    }
    this.#known = now;
    return [...now.values()].flatMap(({ uses }) => uses);
  }
}

function usesOf(user: string, text: string): readonly Use[] {
  const found = new Map<string, Use>();
  const use = (who: string, what: string): void => {
    found.set(`${who} ${what}`, [who, what]);
  };
  const reads = user.startsWith('r');
  const target = `w${user.slice(1)}`;
  const changes = /:commandType [2-9]/.test(text);
  // What is left of these calls reads any setting.
  const tree = text.replace(settingCall, (_, between: string, bytes: string) => {
    use(user, `s${nameOf(bytes)}`);
    return `:named ${between}]`;
  });
  for (const [, what, value = ''] of tree.matchAll(reference)) {
    if (value === '0') continue;
    switch (what) {
      case 'relid':
        if (Number(value) < firstOwn) {
          use(user, 'l');
        } else {
          use(user, `r${value}`);
          // A simple view is written as its table is.
          if (reads) use(target, `w${value}`);
          else if (changes) use(user, `w${value}`);
        }
        break;
      case 'resulttype':
        if (Number(value) >= firstOwn) use(user, `t${value}`);
        break;
      case 'eqop':
      case 'sortop':
        if (Number(value) >= firstOwn) use(user, `p${value}`);
        break;
      case 'commandType':
        if (value !== '1') use(user, `c${value}`);
        break;
      case 'varattno':
        if (value.startsWith('-')) use(user, 'l');
        break;
      default:
        use(user, `f${value}`);
    }
  }
  return [...found.values()];
}

/** From the bytes of a text as the server keeps it, behind its length. */
function nameOf(bytes: string): string {
  return Buffer.from(
    bytes
      .trim()
      .split(/\s+/)
      .slice(4)
      .map((byte) => Number(byte) & 0xff),
  ).toString('latin1');
}
