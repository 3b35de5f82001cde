/**
 * Lines that are drawn again in place. Each frame is one write that goes over the one before, line by line, and clears only
 * what was longer: nothing is blank in between, so nothing flickers.
 */
import type { CliOutput } from './cli-io.ts';

const HIDE_CURSOR = '\u001B[?25l';
const SHOW_CURSOR = '\u001B[?25h';
const CLEAR_REST_OF_LINE = '\u001B[K';
const CLEAR_BELOW = '\u001B[J';
const up = (lines: number): string => (lines === 0 ? '' : `\u001B[${lines}A`);

export class Screen {
  readonly #output: CliOutput;
  #lines = 0;

  /** `output` is a terminal. */
  constructor(output: CliOutput) {
    this.#output = output;
  }

  draw(text: string): void {
    const { columns = 80, rows = 24 } = this.#output;
    // What does not fit would scroll, and could not be drawn over again.
    const lines = text.split('\n').slice(0, Math.max(1, rows - 1));
    const drawn = lines.map((line) => `${clip(line, columns)}${CLEAR_REST_OF_LINE}\n`).join('');
    const start = this.#lines === 0 ? HIDE_CURSOR : up(Math.min(this.#lines, rows - 1));
    this.#output.write(`${start}\r${drawn}${CLEAR_BELOW}`);
    this.#lines = lines.length;
  }

  /** The last frame goes away. */
  clear(): void {
    if (this.#lines > 0) this.#output.write(`${up(this.#lines)}\r${CLEAR_BELOW}${SHOW_CURSOR}`);
    this.#lines = 0;
  }

  /** The last frame stays. */
  leave(): void {
    if (this.#lines > 0) this.#output.write(SHOW_CURSOR);
    this.#lines = 0;
  }
}

/** A line that is too wide would go on in the next one, which is then in the way. */
function clip(line: string, columns: number): string {
  let width = 0;
  let end = 0;
  for (const { segment, index } of new Intl.Segmenter().segment(line)) {
    width += WIDE.test(segment) ? 2 : 1;
    if (width > columns) return `${line.slice(0, end)}…`;
    if (width < columns) end = index + segment.length;
  }
  return line;
}

/** What terminals draw in two places. */
const WIDE =
  /[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6]|\p{Extended_Pictographic}/u;
