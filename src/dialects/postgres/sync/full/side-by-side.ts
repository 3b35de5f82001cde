import type { Crew } from '../crew.ts';

/** More than this do not pay where source and target are as busy as servers are. */
const workersMax = 2;

/** Does `work` for each item, by a few workers with connections of their own. The first failure stops all, and is thrown when they have stopped. */
export async function sideBySide<Item, Worker>(
  crew: Crew,
  items: readonly Item[],
  hire: () => Promise<Worker>,
  work: (worker: Worker, item: Item) => Promise<void>,
): Promise<void> {
  const waiting = [...items];
  const workAll = async (): Promise<void> => {
    const worker = await hire();
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      crew.signal.throwIfAborted();
      await work(worker, item);
    }
  };
  const workers = Array.from({ length: Math.min(workersMax, items.length) }, () =>
    workAll().catch((error: unknown) => crew.stop(error)),
  );
  await Promise.all(workers);
  crew.signal.throwIfAborted();
}
