/** Where one session reads: what it may have been shown and by whom, and the member that it is at home with. */

import type { Reader } from './read-router.ts';

export class ReadPlace {
  /** Of its own commits, which every member that counts had when they were answered. */
  #committedCsn = 0;
  /** The most that it may have been shown, and who has answered it last. */
  #shownCsn = 0;
  #shownBy: string | undefined;
  #home: Reader | undefined;
  #left = false;

  /** Where its connection is warm and its statements are prepared; undefined before the first read. */
  get home(): Reader | undefined {
    return this.#home;
  }

  moveTo(reader: Reader): void {
    if (reader === this.#home || this.#left) return;
    if (this.#home !== undefined) this.#home.homes -= 1;
    this.#home = reader;
    reader.homes += 1;
  }

  leave(): void {
    this.#left = true;
    if (this.#home !== undefined) this.#home.homes -= 1;
    this.#home = undefined;
  }

  committed(csn: number): void {
    this.#committedCsn = Math.max(this.#committedCsn, csn);
  }

  /** This member has answered, and may have shown all up to there. */
  shown(memberId: string, csn: number): void {
    this.#shownCsn = Math.max(this.#shownCsn, csn);
    this.#shownBy = memberId;
  }

  /**
   * A read there shows nothing less than was shown before. Who has answered last had all that others had shown by then, and
   * shows again what it has shown itself, also before it has said that it has it.
   */
  allows({ id, appliedCsn }: Reader): boolean {
    return appliedCsn >= this.#committedCsn && (id === this.#shownBy || appliedCsn >= this.#shownCsn);
  }
}
