import { readFile } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { Secret } from '../../src/config/index.ts';
import {
  createLogger,
  describeEvent,
  EventJournal,
  EventHub,
  EventLog,
  renderEventReference,
  renderMetricsReference,
  scrub,
  scrubText,
  silentLogger,
} from '../../src/telemetry/index.ts';
import type { EngineEvent, LoggerOptions } from '../../src/telemetry/index.ts';

const AT = '2026-01-02T03:04:05.000Z';
const clock = { wallTime: () => new Date(AT) };

async function logged(
  options: Partial<LoggerOptions>,
  write: (log: Awaited<ReturnType<typeof createLogger>>) => void,
): Promise<string> {
  const output = new PassThrough();
  const log = await createLogger({ level: 'info', format: 'json', output, ...options });
  write(log);
  await new Promise((resolve) => setImmediate(resolve));
  return String(output.read() ?? '');
}

describe('telemetry: events', () => {
  test('telemetry: an event gets its time and reaches every sink, even after one that fails', () => {
    const failures: string[] = [];
    const journal = new EventJournal({ onFailure: () => undefined });
    const broken = {
      emit: () => {
        throw new Error('sink is broken');
      },
    };
    const hub = new EventHub({
      clock,
      sinks: [broken, journal],
      onSinkFailure: (text) => failures.push(text),
    });
    hub.raise({ type: 'member-deactivated', member: 'db2', reason: 'connection lost' });
    expect(journal.find().events).toEqual([
      {
        id: 1,
        at: AT,
        type: 'member-deactivated',
        level: 'warn',
        member: 'db2',
        text: 'member db2 is inactive: connection lost',
        data: { member: 'db2', reason: 'connection lost' },
      },
    ]);
    expect(failures).toEqual(['sink is broken']);
  });

  test('telemetry: an event is one log line, at its level, with its sentence and its fields', async () => {
    const text = await logged({}, (log) => {
      new EventLog(log).emit({ type: 'commit-late', csn: 7, member: 'db2', waitedMs: 5000, at: AT });
    });
    expect(JSON.parse(text)).toMatchObject({
      level: 'warn',
      event: 'commit-late',
      csn: 7,
      member: 'db2',
      msg: 'member db2 has not confirmed CSN 7 within 5000 ms',
    });
  });

  test('telemetry: an event is a sentence for people', () => {
    const event: EngineEvent = {
      type: 'primary-switched',
      from: 'db1',
      to: 'db2',
      reason: 'db1 was lost',
      at: AT,
    };
    expect(describeEvent(event)).toBe('primary is now db2, no longer db1: db1 was lost');
  });

  test('telemetry: the metrics page says what the catalogue says (run: node dist/cli/main.js reference)', async () => {
    const page = await readFile(new URL('../../docs/reference/metrics.md', import.meta.url), 'utf8');
    expect(page).toBe(renderMetricsReference());
  });

  test('telemetry: the events page says what the catalogue says (run: node dist/cli/main.js reference)', async () => {
    const page = await readFile(new URL('../../docs/reference/events.md', import.meta.url), 'utf8');
    expect(page).toBe(renderEventReference());
  });
});

describe('telemetry: logs', () => {
  test('telemetry: no password reaches the log, whether as field, in a URL, in SQL or in an error', async () => {
    const secret = 'pa55-word';
    const text = await logged({}, (log) => {
      log.info({ password: secret, nested: { passwd: secret, list: [{ clientSecret: secret }] } }, 'fields');
      log.info(
        { url: `postgres://app:${secret}@db1:5432/orders` },
        `cannot reach postgres://app:${secret}@db1/x`,
      );
      log.info({ sql: `ALTER ROLE app PASSWORD '${secret}'` }, `conninfo password=${secret} host=db1`);
      log.error(
        { error: new Error(`postgres://app:${secret}@db1/x`, { cause: { password: secret } }) },
        'failed',
      );
      log.info({ password: new Secret(secret), hidden: new Secret(secret) }, String(new Secret(secret)));
    });
    expect(text).not.toContain(secret);
    expect(text.trim().split('\n').length).toBe(5);
    expect(text).toContain('postgres://app:[hidden]@db1:5432/orders');
  });

  test('telemetry: scrubbing leaves everything else as it is', () => {
    const fields = {
      n: 1,
      b: true,
      none: null,
      big: 10n,
      text: 'password policy',
      url: 'postgres://db1:5432/x',
    };
    expect(scrub(fields)).toEqual({ ...fields, big: '10' });
    // It was quadratic once: minutes for this one.
    expect(scrubText('m'.repeat(500_000))).toHaveLength(500_000);
    expect(scrubText('user a:b at c@d')).toBe('user a:b at c@d');
  });

  test('telemetry: a structure that contains itself ends', () => {
    const loop: Record<string, unknown> = {};
    loop['self'] = loop;
    expect(JSON.stringify(scrub(loop))).toContain('[…]');
  });

  test('telemetry: lines below the level are not written', async () => {
    const text = await logged({ level: 'warn' }, (log) => {
      log.info({}, 'quiet');
      log.warn({}, 'loud');
    });
    expect(JSON.parse(text)).toMatchObject({ level: 'warn', msg: 'loud' });
  });

  test('telemetry: a terminal gets lines for people, anything else gets JSON', async () => {
    const terminal = Object.assign(new PassThrough(), { isTTY: true });
    const log = await createLogger({ level: 'info', format: 'auto', output: terminal });
    log.info({ member: 'db1' }, 'hello');
    await new Promise((resolve) => setImmediate(resolve));
    const text = String(terminal.read());
    expect(text).toContain('hello');
    expect(() => JSON.parse(text)).toThrow(SyntaxError);
    expect(JSON.parse(await logged({ format: 'auto' }, (other) => other.info({}, 'hello')))).toMatchObject({
      msg: 'hello',
    });
  });

  test('telemetry: what a member says is one line for people, whatever is in it', async () => {
    const text = await logged({ format: 'pretty' }, (log) => {
      log.warn({ reason: 'a\nb' }, 'member db1 is unfit: x\n[12:00:00.000] INFO: all is well\r\n\u2028');
    });
    expect(text.trim().split(/[\r\n\u2028]/)).toHaveLength(1);
  });

  test('telemetry: the silent logger takes everything', () => {
    expect(silentLogger.error({}, 'nobody hears this')).toBeUndefined();
  });
});
