/**
 * What remains of row changes, whatever their order and however many: of each image of a row, as many rows come as it was the
 * new one of a change, and as many go as it was the old one. The replica itself keeps count, in a temporary table.
 */

import { quoteLiteral } from '../../sql/index.ts';
import { counted } from './apply-pipeline.ts';
import type { ApplyPipeline } from './apply-pipeline.ts';
import { binaryArray } from './binary-array.ts';
import { markedArguments } from './marked-writing.ts';
import type { ReplicaTable } from './replica-tables.ts';
import type { RowChange } from './row-plan.ts';

const counts = 'pg_temp.lockstep_counts';
const net = 'pg_temp.lockstep_net';

export class NetEffect {
  readonly #pipeline: ApplyPipeline;
  readonly #tables = new Set<ReplicaTable>();
  /** What was in force where rows were written, by the number that the replica knows it by; the first: nothing is known. */
  #settings: (Buffer | null)[] = [null];

  constructor(pipeline: ApplyPipeline) {
    this.#pipeline = pipeline;
  }

  add(table: ReplicaTable, changes: readonly RowChange[], under: Buffer | null): void {
    this.#begin(table);
    const images: Buffer[] = [];
    const rows: number[] = [];
    for (const change of changes) {
      if (change.old) images.push(change.old);
      if (change.old) rows.push(-1);
      if (change.new) images.push(change.new);
      if (change.new) rows.push(1);
    }
    this.#pipeline.add(
      'lockstep_count',
      `INSERT INTO ${counts} SELECT $1::text::int4, $4::text::int4, * FROM unnest($2::text[], $3::int4[])`,
      [
        Buffer.from(String(table.number)),
        binaryArray('text', images),
        binaryArray('int4', rows),
        Buffer.from(String(this.#numberOf(under))),
      ],
    );
  }

  /** `image`: an expression. */
  async addImage(
    table: ReplicaTable,
    image: string,
    { rows, under }: { readonly rows: 1 | -1; readonly under: Buffer | null },
  ): Promise<void> {
    this.#begin(table);
    await this.#pipeline.run(
      `INSERT INTO ${counts} VALUES (${table.number}, ${this.#numberOf(under)}, ${image}, ${rows})`,
    );
  }

  #numberOf(under: Buffer | null): number {
    const found = this.#settings.findIndex((one) =>
      one === null || under === null ? one === under : one.equals(under),
    );
    return found === -1 ? this.#settings.push(under) - 1 : found;
  }

  async forget(table: ReplicaTable): Promise<void> {
    if (this.#tables.delete(table) && this.#tables.size > 0)
      await this.#pipeline.run(`DELETE FROM ${counts} WHERE place = ${table.number}`);
    else if (this.#tables.size === 0) await this.#pipeline.run(`DROP TABLE IF EXISTS ${counts}`);
  }

  async settle(): Promise<void> {
    if (this.#tables.size === 0) return;
    // Whole tables are gone through here, which the settings of this connection are not made for.
    await this.#pipeline.run(
      `SET LOCAL enable_seqscan = on; CREATE TEMPORARY TABLE lockstep_net ON COMMIT DROP AS
         SELECT place, image, sum(n) AS n, coalesce(max(under) FILTER (WHERE n > 0), 0) AS under FROM ${counts} GROUP BY place, image HAVING sum(n) <> 0;
       DROP TABLE ${counts}; CREATE INDEX ON ${net} (place); ANALYZE ${net}`,
    );
    // Whatever comes may stand where something goes.
    for (const sign of [-1, 1]) for (const table of this.#tables) await this.#apply(table, sign);
    await this.#pipeline.run(`DROP TABLE ${net}; SET LOCAL enable_seqscan TO DEFAULT`);
    this.#tables.clear();
    this.#settings = [null];
  }

  async #apply(table: ReplicaTable, sign: number): Promise<void> {
    const mine = `s.place = ${table.number} AND s.n * ${sign} > 0`;
    const { rows } = await this.#pipeline.run(
      `SELECT coalesce(sum(s.n * ${sign}), 0) FROM ${net} AS s WHERE ${mine}`,
    );
    const count = rows[0]?.[0]?.toString() ?? '';
    if (count === '0') return;
    const images = `SELECT s.image FROM ${net} AS s, generate_series(1, s.n * ${sign}) WHERE ${mine}`;
    if (table.marked !== undefined) {
      const { insert, remove } = table.statements();
      // What goes is nowhere computed again.
      const under = sign < 0 ? [null] : this.#settings;
      for (const [number, settings] of under.entries()) {
        const these = sign < 0 ? images : `${images} AND s.under = ${number}`;
        const parameters = [sign < 0 ? remove : insert, these, table.shown].map(quoteLiteral).join(', ');
        await this.#pipeline.run(
          `SELECT left_out::text FROM lockstep.write_marked_images(${parameters}, ${markedArguments(table.marked, settings)})`,
        );
      }
      return;
    }
    const { insert, remove } = table.statements(`(${images})`);
    await this.#pipeline.run(counted(sign < 0 ? remove : insert, { table: table.shown, rows: count }));
  }

  #begin(table: ReplicaTable): void {
    if (this.#tables.size === 0) {
      this.#pipeline.add(
        'lockstep_counts',
        `CREATE TEMPORARY TABLE lockstep_counts (place int4 NOT NULL, under int4 NOT NULL, image text NOT NULL, n int4 NOT NULL) ON COMMIT DROP`,
      );
    }
    this.#tables.add(table);
  }
}
