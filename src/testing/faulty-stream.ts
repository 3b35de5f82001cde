import type { Socket } from 'node:net';
import type { Clock } from '../base/index.ts';

export interface StreamFaults {
  readonly latencyMs: number;
  readonly silent: boolean;
  readonly segmentBytes: number;
}

export interface FaultyStreamInit {
  readonly from: Socket;
  readonly to: Socket;
  readonly clock: Clock;
  /** Asked before each delivery, so that a change takes effect on what is already under way. */
  readonly faults: () => StreamFaults;
  readonly onDelivered: (bytes: number) => void;
}

/** What arrives on one side and is to come out at the other: bytes, or the end (in order, or by a reset). */
interface Parcel {
  readonly content: Buffer | 'end' | 'reset';
  readonly arrivedAtMs: number;
}

/** So much is held back in one direction before the sender is made to wait. */
const heldBytesMax = 1 << 20;

/** One direction of a connection. Everything comes out in the order in which it went in, also its end. */
export class FaultyStream {
  readonly #init: FaultyStreamInit;
  #parcels: Parcel[] = [];
  #heldBytes = 0;
  #delivering = false;
  #abandoned = false;
  #cancelTimer: () => void = () => {};

  constructor(init: FaultyStreamInit) {
    this.#init = init;
    const { from } = init;
    from.setNoDelay(true);
    from.on('data', (chunk) => this.#accept(chunk));
    from.once('end', () => this.#accept('end'));
    // The close that follows says the rest.
    from.on('error', () => {});
    from.once('close', (hadError) => this.#accept(hadError || !from.readableEnded ? 'reset' : 'end'));
  }

  /** Nothing more is delivered, ever; what still arrives is thrown away. */
  abandon(): void {
    this.#abandoned = true;
    this.#parcels = [];
    this.#cancelTimer();
    this.#init.from.resume();
  }

  /** Delivers whatever the faults of the moment let through. */
  advance(): void {
    if (!this.#delivering) void this.#deliver();
  }

  #accept(content: Parcel['content']): void {
    if (this.#abandoned) return;
    this.#parcels.push({ content, arrivedAtMs: this.#init.clock.monotonicMs() });
    if (Buffer.isBuffer(content)) this.#heldBytes += content.length;
    if (this.#heldBytes > heldBytesMax) this.#init.from.pause();
    this.advance();
  }

  async #deliver(): Promise<void> {
    this.#delivering = true;
    this.#cancelTimer();
    for (;;) {
      const parcel = this.#parcels[0];
      const { latencyMs, silent } = this.#init.faults();
      if (parcel === undefined || silent) break;
      const earlyMs = parcel.arrivedAtMs + latencyMs - this.#init.clock.monotonicMs();
      if (earlyMs > 0) {
        this.#cancelTimer = this.#init.clock.after(earlyMs, () => this.advance());
        break;
      }
      this.#parcels.shift();
      await this.#handOver(parcel.content);
    }
    this.#delivering = false;
  }

  async #handOver(content: Parcel['content']): Promise<void> {
    const { to, from } = this.#init;
    if (content === 'end') {
      to.end();
    } else if (content === 'reset') {
      if (!to.destroyed) to.resetAndDestroy();
    } else {
      for (const segment of this.#segments(content)) {
        if (this.#abandoned || to.destroyed) return;
        await new Promise((written) => to.write(segment, written));
        this.#init.onDelivered(segment.length);
        // A reader in this process gets its turn, and so sees the pieces one by one.
        if (segment.length < content.length) await new Promise((turn) => setImmediate(turn));
      }
      this.#heldBytes -= content.length;
      if (this.#heldBytes <= heldBytesMax) from.resume();
    }
  }

  #segments(content: Buffer): readonly Buffer[] {
    const size = this.#init.faults().segmentBytes || content.length;
    const segments: Buffer[] = [];
    for (let at = 0; at < content.length; at += size) segments.push(content.subarray(at, at + size));
    return segments;
  }
}
