/** The tables of a replica, as far as rows were applied to them: their statements, and the names those are prepared under. */

import { messageOf } from '../../base/index.ts';
import { quoteIdent } from '../../sql/index.ts';
import { MemberError } from '../contract.ts';
import type { ApplyPipeline } from './apply-pipeline.ts';
import type { Remarks } from './remarks.ts';
import { sqlStates } from './sql-states.ts';
import type { Mark, MarkedTable } from './marks.ts';
import { markedWriting } from './marked-writing.ts';
import type { MarkedWriting } from './marked-writing.ts';
import { askShape, readShape, relationNamed, tableStatements } from './table-shape.ts';
import { ofTable, readUnrepeatable, unrepeatableQuery } from './unrepeatable.ts';
import type { StatementOptions, TableShape, TableStatements } from './table-shape.ts';

/** Names hold one character for each byte, whatever the encoding of the database. */
export interface TableName {
  readonly schema: string;
  readonly table: string;
}

function keyOf({ schema, table }: TableName): string {
  return `${schema}\0${table}`;
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
  /** Its definitions are not repeatable: it is written with these set aside. Undefined: it is written as it is. */
  readonly marked: MarkedWriting | undefined;
  /** Rows are written through a table above it, and may lie in any of that one's partitions. */
  readonly through: boolean;
  /** `images`: where the row images come from, as an item of FROM with one column. */
  statements(images?: string): TableStatements;
}

export class ReplicaTables {
  readonly #memberId: string;
  readonly #pipeline: ApplyPipeline;
  readonly #remarks: Remarks;
  readonly #tables = new Map<string, ReplicaTable>();
  #count = 0;

  constructor(memberId: string, pipeline: ApplyPipeline, remarks: Remarks) {
    this.#remarks = remarks;
    this.#memberId = memberId;
    this.#pipeline = pipeline;
  }

  async of(name: TableName): Promise<ReplicaTable> {
    const known = this.known(name);
    if (known !== undefined) return known;
    const found = await this.#ask(name);
    this.#tables.set(keyOf(name), found);
    return found;
  }

  /** Undefined: the member has not been asked about it. */
  known(name: TableName): ReplicaTable | undefined {
    return this.#tables.get(keyOf(name));
  }

  /** Definitions may have changed. */
  reset(): void {
    this.#tables.clear();
  }

  async #ask({ schema, table }: TableName): Promise<ReplicaTable> {
    const row = await this.#row({ schema, table });
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
    if (shape.marked !== undefined) await this.#remark(shown, shape.marked);
    const above = shape.marked?.through ?? undefined;
    if (above !== undefined) return await this.#throughRoot({ schema, table }, above);
    return this.#table({ schema, table }, shape, {});
  }

  #row({ schema, table }: TableName): Promise<readonly (string | null)[] | undefined> {
    return askShape(relationNamed(schema, table), async (sql) => {
      const { rows } = await this.#pipeline.run(sql);
      return rows[0]?.map((value) => value?.toString('latin1') ?? null);
    });
  }

  async #throughRoot(leaf: TableName, root: TableName): Promise<ReplicaTable> {
    const shape = this.#understood(`${root.schema}.${root.table}`, (await this.#row(root)) ?? []);
    return this.#table(root, shape, { partition: `${quoteIdent(leaf.schema)}.${quoteIdent(leaf.table)}` });
  }

  #table({ schema, table }: TableName, shape: TableShape, options: StatementOptions): ReplicaTable {
    const shown = `${schema}.${table}`;
    const name = `${quoteIdent(schema)}.${quoteIdent(table)}`;
    const through = options.partition !== undefined;
    const usual = tableStatements(name, shape, options);
    return {
      number: this.#count++,
      shown,
      keyed: shape.key !== undefined,
      marked: shape.marked && markedWriting(this.#able(shown, shape.marked), through),
      through,
      statements: (images) =>
        images === undefined ? usual : tableStatements(name, shape, { ...options, images }),
    };
  }

  /** Once, and again when the definitions are others. */
  async #remark(shown: string, { relations, domains, marks }: MarkedTable): Promise<void> {
    if (marks.length === 0 || !this.#remarks.isNew(`${shown} ${JSON.stringify(marks)}`)) return;
    const { rows } = await this.#pipeline.run(unrepeatableQuery(ofTable(relations, domains)));
    this.#remarks.unrepeatable(
      readUnrepeatable(rows.map((row) => row.map((value) => value?.toString() ?? null))),
    );
  }

  #able(shown: string, marked: MarkedTable): MarkedTable {
    if (marked.able || marked.marks.length === 0) return marked;
    const { kind, name, why } = marked.marks[0] as Mark;
    throw new MemberError(
      this.#memberId,
      'unfit',
      `member ${this.#memberId} cannot store rows of ${Buffer.from(shown, 'latin1').toString('utf8')} as they are: its ${kind} ${name} depends on ${why}, and only a superuser may set that aside. Nothing of this took effect there. Give the role of Lockstep SUPERUSER, or change the definition`,
    );
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
