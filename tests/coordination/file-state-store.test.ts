import { fork } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FileStateStore, lockByFile, realDisk } from '../../src/coordination/index.ts';
import type { Disk, NodeState } from '../../src/coordination/index.ts';
import { PowerCut, SimulatedDisk } from './simulated-disk.ts';
import type { CutPlan } from './simulated-disk.ts';

const posix = process.platform !== 'win32';

function stateOf(version: number): NodeState {
  return {
    clusterId: 'orders',
    term: 3,
    version,
    members: [
      {
        id: 'db1',
        url: 'postgres://a:5432/orders',
        active: true,
        since: '2026-01-01T00:00:00.000Z',
        held: false,
      },
      {
        id: 'db2',
        url: 'postgres://b:5432/orders',
        active: false,
        reason: 'probe failed: zu spät',
        since: '2026-01-02T00:00:00.000Z',
        held: true,
      },
    ],
    primary: 'db1',
    lastCsn: 41 + version,
  };
}

const noLock = () => Promise.resolve(() => Promise.resolve());

function openOn(disk: Disk): Promise<FileStateStore> {
  return FileStateStore.open('/state', { disk, lock: noLock });
}

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lockstep-state-'));
});
afterEach(() => rm(directory, { recursive: true }));

describe('state: on a real disk', () => {
  test('state: nothing was ever saved, so there is no state', async () => {
    const store = await FileStateStore.open(join(directory, 'a', 'b'));
    expect(await store.load()).toBeUndefined();
    await store.close();
  });

  test('state: what was saved is there after reopening', async () => {
    const first = await FileStateStore.open(directory);
    await first.save(stateOf(1));
    await first.save(stateOf(2));
    await first.close();
    const second = await FileStateStore.open(directory);
    expect(await second.load()).toEqual(stateOf(2));
    await second.close();
  });

  test('state: saves take effect in the order they were asked for', async () => {
    const store = await FileStateStore.open(directory);
    await Promise.all(Array.from({ length: 20 }, (_, index) => store.save(stateOf(index + 1))));
    expect(await store.load()).toEqual(stateOf(20));
    await store.close();
  });

  test('state: close waits for the saves under way', async () => {
    const store = await FileStateStore.open(directory);
    const saved = store.save(stateOf(7));
    await store.close();
    await saved;
    const again = await FileStateStore.open(directory);
    expect((await again.load())?.version).toBe(7);
    await again.close();
  });

  test('state: neither term nor membership version ever goes back', async () => {
    const store = await FileStateStore.open(directory);
    await store.save(stateOf(5));
    await store.close();
    const again = await FileStateStore.open(directory);
    await again.load();
    expect(() => again.save(stateOf(4))).toThrow('membership version 5 does not become 4');
    expect(() => again.save({ ...stateOf(6), term: 2 })).toThrow('term 3 does not become 2');
    await again.close();
  });

  test.runIf(posix)('state: the directory and the file belong to their owner alone', async () => {
    const path = join(directory, 'state');
    const store = await FileStateStore.open(path);
    await store.save(stateOf(1));
    expect((await stat(path)).mode & 0o777).toBe(0o700);
    expect((await stat(join(path, 'node.state'))).mode & 0o777).toBe(0o600);
    await store.close();
  });

  test.runIf(posix)('state: a directory that others can write is refused with the cure', async () => {
    await chmod(directory, 0o777);
    await expect(FileStateStore.open(directory)).rejects.toMatchObject({
      code: 'coordination.state-unguarded',
      hint: `run: chmod go-w ${directory}`,
    });
  });

  test.runIf(posix)('state: symbolic links are refused, as directory, as file and as new file', async () => {
    const real = join(directory, 'real');
    await (await FileStateStore.open(real)).close();
    await symlink(real, join(directory, 'link'));
    await expect(FileStateStore.open(join(directory, 'link'))).rejects.toMatchObject({
      code: 'coordination.state-unguarded',
    });
    const elsewhere = join(directory, 'elsewhere');
    await writeFile(elsewhere, 'precious');
    await symlink(elsewhere, join(real, 'node.state'));
    await symlink(elsewhere, join(real, 'node.state.new'));
    const store = await FileStateStore.open(real);
    await expect(store.load()).rejects.toMatchObject({ code: 'coordination.state-unguarded' });
    await expect(store.save(stateOf(1))).rejects.toThrow('symbolic link');
    await store.close();
    expect(await readFile(elsewhere, 'utf8')).toBe('precious');
  });

  test('state: a save that fails says that its outcome is unknown, and the next one may succeed', async () => {
    let full = true;
    const disk: Disk = {
      ...realDisk,
      writeDurably: (path, data) =>
        full ? Promise.reject(new Error('ENOSPC: no space left')) : realDisk.writeDurably(path, data),
    };
    const store = await FileStateStore.open(directory, { disk, lock: noLock });
    await expect(store.save(stateOf(1))).rejects.toMatchObject({
      code: 'coordination.state-not-saved',
      outcome: 'unknown',
      message: expect.stringContaining('no space left'),
    });
    full = false;
    await store.save(stateOf(1));
    expect(await store.load()).toEqual(stateOf(1));
    await store.close();
  });
});

describe('state: a damaged file', () => {
  async function written(): Promise<Buffer> {
    const store = await FileStateStore.open(directory);
    await store.save(stateOf(1));
    await store.close();
    return readFile(join(directory, 'node.state'));
  }

  async function loadOf(bytes: Uint8Array): Promise<unknown> {
    const store = await openOn(new SimulatedDisk(new Map([['node.state', bytes]])));
    return store.load().catch((error: unknown) => error);
  }

  const damaged = { code: 'coordination.state-damaged', hint: expect.stringContaining('source') };

  test('state: a file torn at any byte is an error, never "no state"', async () => {
    const whole = await written();
    for (let length = 0; length < whole.length; length += 1) {
      expect(await loadOf(whole.subarray(0, length)), `torn at ${length}`).toMatchObject(damaged);
    }
    expect(await loadOf(whole)).toEqual(stateOf(1));
  });

  test('state: a file with any byte changed, or zeroed, is an error', async () => {
    const whole = await written();
    for (let at = 0; at < whole.length; at += 1) {
      for (const byte of [(whole[at] ?? 0) ^ 1, 0]) {
        const changed = Buffer.from(whole);
        changed[at] = byte;
        expect(await loadOf(changed), `byte ${at}`).toMatchObject(damaged);
      }
    }
  });

  test('state: bytes after the end, and a file that is something else, are errors', async () => {
    const whole = await written();
    expect(await loadOf(Buffer.concat([whole, Buffer.from('x')]))).toMatchObject(damaged);
    expect(await loadOf(Buffer.from('{}\n'))).toMatchObject(damaged);
  });

  test('state: a file of a later format says so', async () => {
    const later = Buffer.from((await written()).toString().replace('lockstep-state 1 ', 'lockstep-state 2 '));
    expect(await loadOf(later)).toMatchObject({ message: expect.stringContaining('format 2') });
  });
});

describe('state: the power goes during a save', () => {
  /** Saves a second state with the power going as planned; answers what a restarted node loads. */
  async function cutAndReload(
    plan: CutPlan,
  ): Promise<{ readonly found: unknown; readonly steps: readonly string[] }> {
    const before = new SimulatedDisk();
    const store = await openOn(before);
    await store.save(stateOf(1));
    const disk = new SimulatedDisk(before.survivors(), plan);
    await openOn(disk)
      .then((second) => second.save(stateOf(2)))
      .catch((error: unknown) => {
        if (!(error instanceof Error && (error instanceof PowerCut || error.cause instanceof PowerCut)))
          throw error;
      });
    const restarted = await openOn(new SimulatedDisk(disk.survivors()));
    return { found: await restarted.load().catch((error: unknown) => error), steps: disk.steps };
  }

  test('state: before any step and after any byte, the old or the new state is found whole', async () => {
    const never = { beforeStep: Infinity, bytesKept: 0, renamesKept: false };
    const { steps, found } = await cutAndReload(never);
    expect(found).toEqual(stateOf(2));
    const seen = new Set<number>();
    for (let beforeStep = 0; beforeStep < steps.length; beforeStep += 1) {
      const tearing = steps[beforeStep] === 'write';
      for (const renamesKept of [false, true]) {
        for (let bytesKept = 0; bytesKept <= (tearing ? 700 : 0); bytesKept += 1) {
          const plan = { beforeStep, bytesKept, renamesKept };
          const outcome = (await cutAndReload(plan)).found as NodeState;
          expect([stateOf(1), stateOf(2)], JSON.stringify(plan)).toContainEqual(outcome);
          seen.add(outcome.version);
        }
      }
    }
    expect([...seen].sort((a, b) => a - b)).toEqual([1, 2]);
  });

  test('state: once a save is acknowledged, only the new state can be found', async () => {
    const { steps } = await cutAndReload({ beforeStep: Infinity, bytesKept: 0, renamesKept: false });
    const acknowledged = { beforeStep: steps.length - 1, bytesKept: 0, renamesKept: false };
    expect(steps.at(-1)).toBe('acknowledge');
    expect((await cutAndReload(acknowledged)).found).toEqual(stateOf(2));
  });

  test('state: the check notices a save that writes over the old file', async () => {
    const before = new SimulatedDisk();
    await (await openOn(before)).save(stateOf(1));
    const disk = new SimulatedDisk(before.survivors(), { beforeStep: 1, bytesKept: 100, renamesKept: false });
    await expect(disk.writeDurably('/state/node.state', Buffer.from('x'.repeat(200)))).rejects.toThrow(
      PowerCut,
    );
    const store = await openOn(new SimulatedDisk(disk.survivors()));
    await expect(store.load()).rejects.toMatchObject({ code: 'coordination.state-damaged' });
  });
});

describe('state: one node, one directory', () => {
  test('state: a second node on the same directory is refused, and told which process has it', async () => {
    const first = await FileStateStore.open(directory);
    await expect(FileStateStore.open(`${directory}/.`)).rejects.toMatchObject({
      code: 'coordination.state-locked',
      message: expect.stringContaining(`process ${process.pid}`),
    });
    await first.close();
    await (await FileStateStore.open(directory)).close();
  });

  test.runIf(process.platform === 'linux')('state: the lock of a node that was killed is free', async () => {
    const script = join(directory, 'holder.mjs');
    // Holds the same abstract socket as the store does, in a process of its own.
    await writeFile(
      script,
      `import { createHash } from 'node:crypto';
       import { realpathSync } from 'node:fs';
       import { createServer } from 'node:net';
       const hash = createHash('sha256').update(realpathSync(process.argv[2])).digest('hex').slice(0, 32);
       createServer((socket) => socket.end(process.pid + '\\n')).listen('\\0lockstep-' + hash, () => process.send('held'));`,
    );
    const holder = fork(script, [directory], { execArgv: [] });
    await new Promise((resolve) => holder.once('message', resolve));
    await expect(FileStateStore.open(directory)).rejects.toThrow(`process ${holder.pid}`);
    const gone = new Promise((resolve) => holder.once('exit', resolve));
    holder.kill('SIGKILL');
    await gone;
    await (await FileStateStore.open(directory)).close();
  });

  test('state: the lock by file refuses a living holder and takes over from a dead one', async () => {
    const release = await lockByFile(directory);
    await expect(lockByFile(directory)).rejects.toThrow(`process ${process.pid}`);
    await release();
    // Above the largest process id of any system.
    await writeFile(join(directory, 'node.pid'), '4194305\n');
    await (await lockByFile(directory))();
  });
});
