import type { Logger } from './logger.ts';
import { scrub, scrubText } from './scrub.ts';

export interface LoggerOptions {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly format: 'auto' | 'json' | 'pretty';
  readonly output: LogOutput;
}

/** A terminal says so, and whether its user wants colours. */
export type LogOutput = NodeJS.WritableStream & { readonly isTTY?: boolean; hasColors?(): boolean };

/** Its level can be changed while it is in use. */
export interface LeveledLogger extends Logger {
  readonly setLevel: (level: LoggerOptions['level']) => void;
}

/** The program's logger: one JSON object per line, or lines for people on a terminal. pino is loaded only here. */
export async function createLogger(options: LoggerOptions): Promise<LeveledLogger> {
  const { pino } = await import('pino');
  const base = { level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  const pretty = isPretty(options);
  const target = pretty ? await prettyStream(options.output) : options.output;
  // What a member says must not look like a line of ours.
  const oneLine = (message: string): string =>
    pretty ? message.replaceAll(/\s*[\r\n\u2028\u2029]+\s*/g, ' ⏎ ') : message;
  const log = pino({ ...base, formatters: { level: (label) => ({ level: label }) } }, target);
  const at =
    (level: keyof Logger): Logger['info'] =>
    (fields, message) => {
      if (log.isLevelEnabled(level)) log[level](scrub(fields), oneLine(scrubText(message)));
    };
  return {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    setLevel: (level) => {
      log.level = level;
    },
  };
}

function isPretty({ format, output }: LoggerOptions): boolean {
  return format === 'pretty' || (format === 'auto' && output.isTTY === true);
}

/** In this thread and without a buffer: what was logged just before the end is on the screen at the end. */
async function prettyStream(output: LogOutput): Promise<NodeJS.WritableStream> {
  const { default: pretty } = await import('pino-pretty');
  return pretty({
    destination: output,
    sync: true,
    colorize: output.hasColors?.() === true,
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
  });
}
