/** How rows of a table with marks are written: by functions of the control schema that set its definitions aside. */

import { quoteLiteral } from '../../sql/index.ts';
import type { MarkedTable, MarkKind } from './marks.ts';

export interface MarkedWriting {
  /** Parameters of the functions, in the order of their arguments; `relations` and `domains` as text of an array. */
  readonly relations: string;
  readonly domains: string;
  /** Partitions are tables of their own meanwhile: where a row lay it is put. */
  readonly unbound: boolean;
  /** Something of it has to be evaluated. */
  readonly box: boolean;
}

export function markedWriting({ relations, domains, marks }: MarkedTable, through: boolean): MarkedWriting {
  const has = (kind: MarkKind): boolean => marks.some((mark) => mark.kind === kind);
  return {
    relations: `{${relations.join(',')}}`,
    domains: `{${domains.join(',')}}`,
    unbound: has('key') && !through,
    box: has('index') || (has('key') && through),
  };
}

/** With nine parameters of text and two arrays: see `markedValues`. */
export const writeMarked =
  'SELECT lockstep.write_marked($1, $2::text[], $3::text[], $4::text::int8, $5, $6::text::oid[], $7::text::oid[], $8::text::bool, $9::text::bool, $10, $11::text::bool)::text';

/** An index that could not be computed on a member, and that nobody there uses any more. */
export interface LeftOut {
  readonly index: string;
  readonly table: string;
  readonly unique: boolean;
  readonly why: string;
}

/** What the functions answer: JSON, or nothing. */
export function leftOut(answer: string | null | undefined): readonly LeftOut[] {
  return answer ? (JSON.parse(answer) as LeftOut[]) : [];
}

/** The arguments of the functions from the relations on; `write_marked` has one more. */
export function markedArguments(
  { relations, domains, unbound, box }: MarkedWriting,
  surroundings: Buffer | null,
): string {
  const settings = surroundings === null ? 'NULL' : quoteLiteral(surroundings.toString('latin1'));
  return `'${relations}', '${domains}', ${unbound}, ${box}, ${settings}`;
}

/** `last`: rows that are not there, or uniqueness that is violated, are not tried in another manner. */
export function markedValues(
  { relations, domains, unbound, box }: MarkedWriting,
  { surroundings, last }: { readonly surroundings: Buffer | null; readonly last: boolean },
): (Buffer | null)[] {
  return [
    ...[relations, domains, String(unbound), String(box)].map((text) => Buffer.from(text)),
    surroundings,
    Buffer.from(String(last)),
  ];
}
