/** Adds up what has been done and tells it; and slows down in time. */

import type { TableProgress, WorkControl, WorkProgress } from '../../sync-contract.ts';
import type { SyncTable } from './sync-table.ts';

/** Between two reports, and between two questions whether the work may go on. */
const pieceBytes = 1 << 20;

export class SyncProgress {
  readonly #control: WorkControl;
  readonly #tablesTotal: number;
  /** Estimates, replaced by counts as tables are done. */
  #rowsTotal: number;
  #tablesDone = 0;
  #rowsDone = 0;
  #bytesDone = 0;
  #bytesUnpaced = 0;
  #phase: WorkProgress['phase'] = 'schema';
  /** Tables that are under way, by name. */
  readonly #underWay = new Map<string, TableProgress>();

  constructor(control: WorkControl, tables: Iterable<SyncTable>) {
    const all = [...tables];
    this.#control = control;
    this.#tablesTotal = all.length;
    this.#rowsTotal = all.reduce((sum, table) => sum + table.rowsEstimate, 0);
  }

  /** What is read at one go should not be more. */
  get pieceBytesMax(): number {
    return this.#control.pieceBytesMax;
  }

  enter(phase: WorkProgress['phase'], table?: SyncTable): void {
    this.#phase = phase;
    this.#report(table?.name);
  }

  /** Something of a table was read or moved. A promise: not so fast. */
  moved(table: SyncTable, rows: number, bytes: number): Promise<void> | undefined {
    this.#rowsDone += rows;
    this.#bytesDone += bytes;
    this.#bytesUnpaced += bytes;
    const before = this.#underWay.get(table.name);
    const rowsDone = (before?.rowsDone ?? 0) + rows;
    this.#underWay.set(table.name, {
      rowsDone,
      rowsTotal: Math.max(Math.round(table.rowsEstimate), rowsDone),
      bytesDone: (before?.bytesDone ?? 0) + bytes,
    });
    if (this.#bytesUnpaced < Math.min(pieceBytes, this.pieceBytesMax)) return undefined;
    this.#report(table.name);
    const due = this.#bytesUnpaced;
    this.#bytesUnpaced = 0;
    return this.#control.pace(due);
  }

  /** `counted`: the rows that were reported while it was moved. */
  tableDone(table: SyncTable, rows: number, counted = rows): void {
    this.#underWay.delete(table.name);
    this.#tablesDone += 1;
    this.#rowsDone += rows - counted;
    this.#rowsTotal += rows - table.rowsEstimate;
    this.#report(undefined);
  }

  #report(table: string | undefined): void {
    this.#control.progress({
      phase: this.#phase,
      table,
      tablesDone: this.#tablesDone,
      tablesTotal: this.#tablesTotal,
      rowsDone: this.#rowsDone,
      rowsTotal: Math.max(Math.round(this.#rowsTotal), this.#rowsDone),
      bytesDone: this.#bytesDone,
      ofTable: table === undefined ? undefined : this.#underWay.get(table),
    });
  }
}
