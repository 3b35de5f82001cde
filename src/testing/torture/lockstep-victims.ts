/** A cluster of our own whose node, or whose members in turn, are killed again and again. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { killAgainAndAgain } from './kill-loop.ts';
import type { KillLoopOptions, KillLoopReport, Victim } from './kill-loop.ts';
import type { Conviction } from './judge.ts';
import { makeTables, startNode } from './first-start.ts';
import { Stage } from './stage.ts';
import { Story } from './story.ts';

export const killTargets = ['node', 'members'] as const;
export type KillTarget = (typeof killTargets)[number];

const healMs = 180_000;

export async function killLockstep(target: KillTarget, options: KillLoopOptions): Promise<KillLoopReport> {
  const dir = await mkdtemp(join(tmpdir(), 'lockstep-torture-'));
  const story = new Story(options.show);
  const crashes: Conviction[] = [];
  const onCrash = (how: string): void => {
    const what = `the node ended by itself, ${how}`;
    story.tell(`BROKEN, node: ${what}`);
    crashes.push({ by: 'node', what });
  };
  const stage = await Stage.set({ dir, story, onCrash });
  try {
    await startNode(stage);
    await makeTables(stage, options.clients);
    const report = await killAgainAndAgain(victimOf(stage, target), options);
    return { ...report, convictions: [...report.convictions, ...crashes] };
  } finally {
    await stage.strike();
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

function victimOf(stage: Stage, target: KillTarget): Victim {
  const { address, members, node } = stage;
  return {
    address,
    members,
    rest: () => stage.untilAllActive(healMs),
    kill: async (turn) => {
      if (target === 'node') {
        await node.kill9();
        await node.start();
        return;
      }
      const server = members[turn % members.length]?.server;
      await server?.kill9();
      await server?.start();
      // The next one is killed when this one is back, so that each is lost as an active member.
      await stage.untilAllActive(healMs);
    },
  };
}
