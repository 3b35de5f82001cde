/**
 * Which connections at the admin address are served. Beyond their number, and beyond what one address may hold of it, a connection
 * is let in for a moment to ask after the health of the node and for nothing else: a load balancer is answered whoever
 * else has come.
 */
import type { Server, Socket } from 'node:net';
import type { Clock } from '../../base/index.ts';

export interface PlacesLimits {
  readonly connections: number;
  readonly ofAddress: number;
  /** Let in beyond that; the oldest gives way. */
  readonly beyond: number;
  readonly beyondMs: number;
}

export class Places {
  readonly #limits: PlacesLimits;
  readonly #clock: Pick<Clock, 'after'>;
  readonly #ofAddress = new Map<string, number>();
  #served = 0;
  /** By `nameOf`, in order of arrival. */
  readonly #beyond = new Map<string, Socket>();

  constructor(limits: PlacesLimits, clock: Pick<Clock, 'after'>) {
    this.#limits = limits;
    this.#clock = clock;
  }

  watch(server: Server): void {
    server.maxConnections = this.#limits.connections + this.#limits.beyond + 1;
    server.on('connection', (socket: Socket) => this.#enter(socket));
  }

  /** A connection that came beyond the number; over TLS it is known by its ends. */
  isBeyond(socket: Socket): boolean {
    return this.#beyond.has(nameOf(socket));
  }

  #enter(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    const neighbours = this.#ofAddress.get(address) ?? 0;
    if (this.#served < this.#limits.connections && neighbours < this.#limits.ofAddress) {
      this.#served += 1;
      this.#ofAddress.set(address, neighbours + 1);
      socket.once('close', () => this.#leave(address));
      return;
    }
    const name = nameOf(socket);
    const [oldest] = this.#beyond;
    if (oldest !== undefined && this.#beyond.size >= this.#limits.beyond) {
      this.#beyond.delete(oldest[0]);
      oldest[1].destroy();
    }
    this.#beyond.set(name, socket);
    const cancel = this.#clock.after(this.#limits.beyondMs, () => socket.destroy());
    socket.once('close', () => {
      cancel();
      if (this.#beyond.get(name) === socket) this.#beyond.delete(name);
    });
  }

  #leave(address: string): void {
    this.#served -= 1;
    const left = (this.#ofAddress.get(address) ?? 1) - 1;
    if (left === 0) this.#ofAddress.delete(address);
    else this.#ofAddress.set(address, left);
  }
}

function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
