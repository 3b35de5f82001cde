/** The tables of a replica, as far as rows were applied to them: their statements, and the names those are prepared under. */

import { messageOf } from '../../base/index.ts';
import { MemberError } from '../contract.ts';
import type { ApplyPipeline } from './apply-pipeline.ts';
import { sqlStates } from './sql-states.ts';
import { readShape, shapeQuery, tableStatements } from './table-shape.ts';
import type { TableShape, TableStatements } from './table-shape.ts';

/** Names hold one character for each byte, whatever the encoding of the database. */
export interface TableName {
  readonly schema: string;
  readonly table: string;
}

export function nameOf({ schema, table }: { readonly schema: Buffer; readonly table: Buffer }): TableName {
  return { schema: schema.toString('latin1'), table: table.toString('latin1') };
}

export interface ReplicaTable {
  /** Tells it from the others, for as long as the connection lasts. */
  readonly number: number;
  /** Schema and table, one character for each byte in the encoding of the database. */
  readonly shown: string;
  readonly keyed: boolean;
  /** `images`: where the row images come from, as an item of FROM with one column. */
  statements(images?: string): TableStatements;
}

export class ReplicaTables {
  readonly #memberId: string;
  readonly #pipeline: ApplyPipeline;
  readonly #tables = new Map<string, ReplicaTable>();
  #count = 0;

  constructor(memberId: string, pipeline: ApplyPipeline) {
    this.#memberId = memberId;
    this.#pipeline = pipeline;
  }

  async of(name: TableName): Promise<ReplicaTable> {
    const key = `${name.schema}\0${name.table}`;
    const known = this.#tables.get(key);
    if (known !== undefined) return known;
    const found = await this.#ask(name);
    this.#tables.set(key, found);
    return found;
  }

  /** Definitions may have changed. */
  reset(): void {
    this.#tables.clear();
  }

  async #ask({ schema, table }: TableName): Promise<ReplicaTable> {
    const { rows } = await this.#pipeline.run(shapeQuery(schema, table));
    const row = rows[0]?.map((value) => value?.toString('latin1') ?? null);
    const shown = `${schema}.${table}`;
    if (row === undefined) {
      throw new MemberError(
        this.#memberId,
        'diverged',
        `member ${this.#memberId} has no table ${Buffer.from(shown, 'latin1').toString('utf8')}`,
        sqlStates.diverged,
      );
    }
    const shape = this.#understood(shown, row);
    const usual = tableStatements(schema, table, shape);
    return {
      number: this.#count++,
      shown,
      keyed: shape.key !== undefined,
      statements: (images) => (images === undefined ? usual : tableStatements(schema, table, shape, images)),
    };
  }

  #understood(shown: string, row: readonly (string | null)[]): TableShape {
    try {
      return readShape(row);
    } catch (error) {
      const why = `member ${this.#memberId} describes its table ${shown} as no server does: ${messageOf(error)}`;
      throw new MemberError(this.#memberId, 'unfit', why);
    }
  }
}
