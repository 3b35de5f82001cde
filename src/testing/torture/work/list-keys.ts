import type { SeededRandom } from '../../simulation/seeded-random.ts';

/** A few lists are in use at a time, so that transactions meet; a list that has become long gives way to a new one. */
export class ListKeys {
  readonly #round: number;
  readonly #open: { readonly key: string; appends: number }[] = [];
  #made = 0;

  constructor(round: number) {
    this.#round = round;
    while (this.#open.length < openLists) this.#openAnother();
  }

  pick(random: SeededRandom): string {
    return random.pick(this.#open).key;
  }

  appended(key: string): void {
    const at = this.#open.findIndex((one) => one.key === key);
    const list = this.#open[at];
    if (list === undefined) return;
    list.appends += 1;
    if (list.appends < appendsMax) return;
    this.#open.splice(at, 1);
    this.#openAnother();
  }

  /** Begins the key of every list of this round. */
  get prefix(): string {
    return `r${this.#round}.`;
  }

  #openAnother(): void {
    this.#made += 1;
    this.#open.push({ key: `${this.prefix}${this.#made}`, appends: 0 });
  }
}

const openLists = 4;
const appendsMax = 40;
