/** The doors through which operators come: the socket in the state directory, and the admin address if there is one. */

import { adminAddress, openAdminServer, openHttpDoor } from '../admin/index.ts';
import type { CommandRunner, HttpDoor, HttpDoorOptions } from '../admin/index.ts';
import type { Config } from '../config/index.ts';
import type { EngineEventBody, Logger } from '../telemetry/index.ts';
import type { Operator } from './operator.ts';

export interface DoorParts {
  readonly config: Config;
  readonly tls: HttpDoorOptions['tls'];
  readonly operator: Operator;
  readonly runner: CommandRunner;
  readonly logger: Logger;
  readonly metrics: () => Promise<string>;
  readonly raise: (event: EngineEventBody) => void;
  /** Takes what closes each door, as soon as it is open. */
  readonly onOpen: (close: () => Promise<void>) => void;
}

/** Resolves with what is open at the admin address; undefined when there is none. */
export async function openDoors(parts: DoorParts): Promise<HttpDoor | undefined> {
  const { config, tls, operator, runner, logger, metrics, raise, onOpen } = parts;
  const { listen, admin, state } = config;
  const local = await openAdminServer(adminAddress(state), runner);
  onOpen(async () => {
    operator.close();
    await local.close();
  });
  if (listen.admin === undefined) return undefined;
  const http = await openHttpDoor({
    ...listen.admin,
    tls,
    hosts: admin.hosts.map((host) => host.toLowerCase()),
    stateDirectory: state,
    runner,
    operations: operator,
    readiness: () => operator.readiness(),
    metrics,
    refused: (address, reason) => raise({ type: 'client-refused', address, reason }),
    warn: (message) => logger.warn({}, message),
  });
  onOpen(() => http.close());
  return http;
}
