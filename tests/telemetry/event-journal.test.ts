import { appendFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EventJournal } from '../../src/telemetry/index.ts';
import type { EngineEvent } from '../../src/telemetry/index.ts';

const AT = '2026-01-02T03:04:05.678Z';
const posix = process.platform !== 'win32';

let directory: string;
let failures: string[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lockstep-journal-'));
  failures = [];
});
afterEach(() => rm(directory, { recursive: true }));

function open(limits: { readonly eventsMax?: number; readonly fileBytesMax?: number } = {}): EventJournal {
  return new EventJournal({ directory, ...limits, onFailure: (message) => failures.push(message) });
}

function term(number: number): EngineEvent {
  return { type: 'term-started', term: number, primary: 'db1', at: AT };
}

const texts = (journal: EventJournal) => journal.find({ limit: 1000 }).events.map(({ text }) => text);

describe('telemetry: the journal', () => {
  test('telemetry: what happened is there after a restart, and numbers go on', async () => {
    const first = open();
    first.emit({ type: 'member-deactivated', member: 'db2', reason: 'gone', at: AT });
    first.emit(term(2));
    await first.flush();
    const second = open();
    expect(second.find()).toEqual(first.find());
    second.emit(term(3));
    expect(second.find().events.map(({ id }) => id)).toEqual([3, 2, 1]);
    if (posix) expect((await stat(join(directory, 'events.jsonl'))).mode & 0o777).toBe(0o600);
  });

  test('telemetry: a line that a crash has cut off is passed over, and the next one is not lost with it', async () => {
    const first = open();
    first.emit(term(1));
    await first.flush();
    const whole = await readFile(join(directory, 'events.jsonl'), 'utf8');
    await appendFile(join(directory, 'events.jsonl'), whole.replace('"id":1', '"id":2').slice(0, 40));
    const second = open();
    expect(second.find().events).toHaveLength(1);
    second.emit(term(2));
    await second.flush();
    expect(texts(open())).toEqual(texts(second));
    expect(failures).toEqual([]);
  });

  test('telemetry: rubbish in the file is passed over', async () => {
    await writeFile(join(directory, 'events.jsonl'), 'x\n{}\nnull\n{"id":"1"}\n[]\n\0\n');
    const journal = open();
    expect(journal.find().events).toEqual([]);
    journal.emit(term(1));
    await journal.flush();
    expect(texts(open())).toHaveLength(1);
  });

  test('telemetry: memory and files stay within their bounds', async () => {
    const journal = open({ eventsMax: 50, fileBytesMax: 4096 });
    for (let number = 1; number <= 500; number += 1) {
      journal.emit(term(number));
      if (number % 20 === 0) await journal.flush();
    }
    const kept = journal.find({ limit: 1000 }).events;
    expect(kept.length).toBeLessThanOrEqual(63);
    expect(kept[0]?.text).toContain('term 500');
    await journal.flush();
    for (const name of ['events.jsonl', 'events.jsonl.1'])
      expect((await stat(join(directory, name))).size).toBeLessThan(4096 + 20 * 400);
    expect(open({ eventsMax: 10 }).find().events[0]).toEqual(kept[0]);
  });

  test('telemetry: a filter takes what fits, page by page, the newest first', () => {
    const journal = open();
    for (let number = 1; number <= 5; number += 1) {
      journal.emit(term(number));
      journal.emit({ type: 'member-recovered', member: number % 2 === 0 ? 'db2' : 'db3', at: AT });
    }
    journal.emit({
      type: 'sync-failed',
      member: 'db2',
      strategy: 'diff',
      source: 'db1',
      reason: 'x',
      retryMs: 1,
      at: AT,
    });
    const ids = (filter: Parameters<EventJournal['find']>[0]) =>
      journal.find(filter).events.map(({ id }) => id);
    expect(ids({ member: 'db2' })).toEqual([11, 8, 4]);
    expect(ids({ level: 'warn' })).toEqual([11]);
    expect(ids({ type: 'term-started', limit: 2 })).toEqual([9, 7]);
    expect(journal.find({ type: 'term-started', limit: 2 }).more).toBe(true);
    expect(journal.find({ type: 'term-started', before: 7, limit: 3 })).toMatchObject({ more: false });
    expect(ids({ after: 9 })).toEqual([11, 10]);
  });

  test('telemetry: a journal that cannot be written says so once, and the engine goes on', async () => {
    await writeFile(join(directory, 'file'), '');
    const journal = new EventJournal({
      directory: join(directory, 'file'),
      onFailure: (message) => failures.push(message),
    });
    journal.emit(term(1));
    journal.emit(term(2));
    await journal.flush();
    expect(journal.find().events).toHaveLength(2);
    expect(failures).toEqual([expect.stringContaining('events are not kept across a restart')]);
  });
});
