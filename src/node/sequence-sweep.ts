/** Sequence positions that no transaction has carried, shortly after they moved. */

import { messageOf, systemClock } from '../base/index.ts';
import { nobody, Session } from '../cluster/index.ts';
import type { Cluster, SessionLimits } from '../cluster/index.ts';
import { beginOptions, sweepOfMoved } from '../fronts/postgres/index.ts';
import type { Logger } from '../telemetry/index.ts';

const EVERY_MS = 1000;

/** Returns how to end it. */
export function sweepSequences(cluster: Cluster, limits: SessionLimits, logger: Logger): () => void {
  let quiet = '';
  let ended = false;
  const session = new Session(
    cluster,
    { user: undefined, password: undefined, settings: new Map([['application_name', 'lockstep']]) },
    limits,
    {
      autocommit: () => beginOptions({}, { readOnly: false, serializable: false }),
      unasked: () => undefined,
      primaryLost: () => undefined,
      ended: () => undefined,
    },
  );
  let cancel: () => void = () => undefined;
  const again = (): void => {
    if (ended) return;
    cancel = systemClock.after(EVERY_MS, () => {
      const { requests } = cluster.load(cluster.primary.id);
      const { dispatched } = cluster.order;
      if (quiet === `${requests} ${dispatched}`) {
        again();
        return;
      }
      session
        .run({ request: sweepOfMoved, effect: 'write', bytes: 0 }, nobody)
        // Whatever else is done meanwhile, or committed later, is looked after by the next one.
        .then(() => (quiet = `${requests + 1} ${dispatched + 1}`))
        .catch((error: unknown) => logger.debug({ error: messageOf(error) }, 'sequences were not swept'))
        .finally(again);
    });
  };
  again();
  return () => {
    ended = true;
    cancel();
    session.close();
  };
}
