/**
 * What a client was told of a prepared statement when it had it described. It goes by that from then on: it decodes rows
 * and encodes parameters without asking again. A server keeps its word, or refuses ("cached plan must not change result
 * type"); so must a member on which the statement is prepared later, when its tables may have changed.
 */

import {
  frontend,
  readParameterDescription,
  readParse,
  readRowDescription,
} from '../../wire/postgres/index.ts';
import type { ErrorFields } from '../../wire/postgres/index.ts';
import type { PreparedStatement } from './request.ts';

export interface StatementShape {
  /** 0 where the number means something else on each server. */
  readonly parameterTypes: readonly number[];
  /** Names and types, to be compared as a whole. */
  readonly columns: string;
  /** Some column's binary form may hold numbers that mean something else on each server. */
  readonly numbered: boolean;
}

/** OIDs from here on are given out by each server for itself. */
export const firstUserOid = 16_384;

/** `record` and `record[]`: each value says of which types its fields are. */
const recordTypes: ReadonlySet<number> = new Set([2249, 2287]);

export function isRecord(typeOid: number): boolean {
  return recordTypes.has(typeOid);
}

export function shapeOf(parameters: Buffer, columns: Buffer | undefined): StatementShape {
  const fields = columns === undefined ? undefined : readRowDescription(columns);
  return {
    parameterTypes: readParameterDescription(parameters).typeOids.map(common),
    columns: JSON.stringify(fields?.map((field) => [field.name, common(field.typeOid), field.typeModifier])),
    numbered: fields?.some(({ typeOid }) => typeOid >= firstUserOid || isRecord(typeOid)) ?? false,
  };
}

function common(oid: number): number {
  return oid < firstUserOid ? oid : 0;
}

/** The Parse that prepares a statement on a further member, with the parameters that the client knows. */
export function parseAgain(statement: PreparedStatement): Buffer | undefined {
  const { name, parse, shape } = statement;
  if (parse === undefined || shape === undefined) return parse;
  return frontend.parse({ name, query: readParse(parse).query, parameterTypes: shape.parameterTypes });
}

/** In the words of the server: drivers know them, and prepare the statement anew. */
export const shapeChanged: ErrorFields = {
  severity: 'ERROR',
  severityCode: 'ERROR',
  code: '0A000',
  message: 'cached plan must not change result type',
  routine: 'RevalidateCachedQuery',
};

/** Which statement each description among the answers is about. */
export class Descriptions {
  /** Undefined: of a portal, or of a statement that came in SQL. */
  #asked: (PreparedStatement | undefined)[] = [];
  #parameters: Buffer | undefined;

  asked(about: PreparedStatement | undefined): void {
    this.#asked.push(about);
  }

  parameters(frame: Buffer): void {
    if (this.#asked[0] !== undefined) this.#parameters = Buffer.from(frame);
  }

  /** RowDescription; or nothing, for NoData. */
  columns(frame: Buffer | undefined): void {
    const statement = this.#asked.shift();
    const parameters = this.#parameters;
    this.#parameters = undefined;
    if (statement !== undefined && parameters !== undefined) statement.shape ??= shapeOf(parameters, frame);
  }

  /** After an error, and at the end, nothing more is answered. */
  clear(): void {
    this.#asked = [];
    this.#parameters = undefined;
  }
}
