import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** The program at a terminal of its own. */
export interface AtTerminal {
  /** All that it has written so far. */
  written(): string;
  type(text: string): void;
  readonly ended: Promise<unknown>;
}

const PROGRAM = fileURLToPath(new URL('../../bin/lockstep.js', import.meta.url));

export function atTerminal(
  args: readonly string[],
  { columns = 200, rows = 50 }: { readonly columns?: number; readonly rows?: number } = {},
): AtTerminal {
  const words = [process.execPath, PROGRAM, ...args].map((word) => `'${word}'`).join(' ');
  const command = `stty cols ${columns} rows ${rows} && exec ${words}`;
  const child = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
  let written = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (written += text));
  return {
    written: () => written,
    type: (text) => child.stdin.write(text),
    ended: once(child, 'exit'),
  };
}

/** What a terminal shows after all that was written to it: the few control sequences that the program uses, and no others. */
export function shownBy(
  written: string,
  size: { readonly columns: number; readonly rows: number },
): readonly string[] {
  const lines: string[] = [''];
  let row = 0;
  let column = 0;
  const put = (character: string): void => {
    if (column >= size.columns) throw new Error(`a line is longer than the terminal: ${lines[row]}`);
    const line = (lines[row] ?? '').padEnd(column);
    lines[row] = line.slice(0, column) + character + line.slice(column + 1);
    column += 1;
  };
  // oxlint-disable-next-line no-control-regex
  for (const [token] of written.matchAll(/\u001B\[[?\d]*[A-Za-z]|[\s\S]/gu)) {
    if (token === '\r') column = 0;
    else if (token === '\n') {
      row += 1;
      column = 0;
      lines[row] ??= '';
    } else if (token.endsWith('A') && token.length > 1) {
      row -= Number(token.slice(2, -1));
      if (row < 0 || row < lines.length - size.rows) throw new Error('the cursor left the terminal');
    } else if (token.endsWith('G') && token.length > 1) column = Number(token.slice(2, -1)) - 1;
    else if (token === '\u001B[K') lines[row] = (lines[row] ?? '').slice(0, column);
    else if (token === '\u001B[J' || token === '\u001B[0J') {
      lines.length = row + 1;
      lines[row] = (lines[row] ?? '').slice(0, column);
    } else if (token !== '\u001B[?25l' && token !== '\u001B[?25h') {
      if (token.startsWith('\u001B')) throw new Error(`unknown sequence ${JSON.stringify(token)}`);
      put(token);
    }
  }
  return lines;
}
