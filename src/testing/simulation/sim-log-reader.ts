import type { CommitRecord, LogPage, LogReader } from '../../dialects/contract.ts';
import type { Connection } from './connection.ts';
import { SimWriteSet } from './sim-write-set.ts';
import type { WriteSetWatch } from './sim-write-set.ts';
import type { World } from './world.ts';

export class SimLogReader implements LogReader {
  readonly #connection: Connection;
  readonly #world: World;
  readonly #handOut: () => WriteSetWatch;

  constructor(world: World, connection: Connection, handOut: () => WriteSetWatch) {
    this.#world = world;
    this.#connection = connection;
    this.#handOut = handOut;
  }

  async read(range: { afterCsn: number; upToCsn: number; bytesMax: number }): Promise<LogPage> {
    const world = this.#world;
    const { server } = this.#connection;
    const bytesMax = Math.min(range.bytesMax, world.profile.pageBytes);
    const { found, upToCsn, baseCsn } = await this.#connection.call(async (backend) => {
      await server.work(backend, 0.3);
      const all = [...server.log.values()]
        .filter(({ csn }) => csn > range.afterCsn && csn <= range.upToCsn)
        .sort((one, other) => one.csn - other.csn);
      let bytes = 0;
      const page = all.filter(({ payload }, index) => {
        const fits = index === 0 || bytes < bytesMax;
        bytes += payload?.length ?? 0;
        return fits;
      });
      const more = page.length < all.length;
      const upTo = (more ? page.at(-1)?.csn : undefined) ?? range.upToCsn;
      if (world.flawed('skips-a-record') && world.random.happens(0.3))
        page.splice(world.random.below(page.length), 1);
      if (world.flawed('reads-not-to-the-end') && !more && world.random.happens(0.3)) page.pop();
      await server.work(backend, 0.1);
      return { found: page, upToCsn: upTo, baseCsn: server.marks?.baseCsn ?? 0 };
    });
    const records = found.map(({ csn, term, slot, payload }): CommitRecord => {
      const writeSet = payload === null ? null : new SimWriteSet(payload, this.#handOut());
      return { csn, term, slot, writeSet };
    });
    return { records, upToCsn, baseCsn };
  }

  close(): void {
    this.#connection.close();
  }
}
