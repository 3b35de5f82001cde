import type { CommitRecord, LogPage, LogReader } from '../../dialects/contract.ts';
import type { Connection } from './connection.ts';
import { SimWriteSet } from './sim-write-set.ts';
import type { WriteSetWatch } from './sim-write-set.ts';

export class SimLogReader implements LogReader {
  readonly #connection: Connection;
  readonly #handOut: () => WriteSetWatch;

  constructor(connection: Connection, handOut: () => WriteSetWatch) {
    this.#connection = connection;
    this.#handOut = handOut;
  }

  async read(range: { afterCsn: number; upToCsn: number; bytesMax: number }): Promise<LogPage> {
    const { server } = this.#connection;
    const { found, more, baseCsn } = await this.#connection.call(async (backend) => {
      await server.work(backend, 0.3);
      const all = [...server.log.values()]
        .filter(({ csn }) => csn > range.afterCsn && csn <= range.upToCsn)
        .sort((one, other) => one.csn - other.csn);
      let bytes = 0;
      const page = all.filter(({ payload }, index) => {
        const fits = index === 0 || bytes < range.bytesMax;
        bytes += payload?.length ?? 0;
        return fits;
      });
      await server.work(backend, 0.1);
      return { found: page, more: page.length < all.length, baseCsn: server.marks?.baseCsn ?? 0 };
    });
    const records = found.map(({ csn, term, slot, payload }): CommitRecord => {
      const writeSet = payload === null ? null : new SimWriteSet(payload, this.#handOut());
      return { csn, term, slot, writeSet };
    });
    return { records, upToCsn: more ? (found.at(-1)?.csn ?? range.afterCsn) : range.upToCsn, baseCsn };
  }

  close(): void {
    this.#connection.close();
  }
}
