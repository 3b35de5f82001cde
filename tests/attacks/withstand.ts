/** Runs every attack against members of one version, and demands that each of them is withstood. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findPostgres } from '../../src/testing/index.ts';
import { withServers } from '../support/index.ts';
import { carryOut } from './attack.ts';
import type { Attack, Place } from './attack.ts';
import { calling, ownFunctions } from './calling.ts';
import { escaping } from './escaping.ts';
import { forging } from './forging.ts';
import { hiding } from './hiding.ts';
import { afterwards } from './observer.ts';
import { attackers } from './stage.ts';
import { stopping } from './stopping.ts';
import { Trial } from './trial.ts';
import { composed } from './variations.ts';

const families: Readonly<Record<string, readonly Attack[]>> = {
  forging,
  escaping,
  hiding,
  stopping,
  calling,
};
const atMembers: readonly Place[] = ['at the primary', 'at a replica'];
const atRandom: readonly Place[] = ['through the node', 'at a replica'];

const placesOf = ({ only }: Attack): readonly Place[] =>
  only === 'at the members' ? atMembers : ['through the node'];

/** `ATTACK_SEED=… ATTACK_ROUNDS=… npx vitest run tests/attacks`: others, and more of them. */
const seed = Number(process.env['ATTACK_SEED'] ?? Math.floor(Math.random() * 0x7fff_ffff));
const rounds = Number(process.env['ATTACK_ROUNDS'] ?? 6);

export function withstand(major: number): void {
  describe(`attacks on members of PostgreSQL ${major}`, () => {
    const fixture = withServers(2, {
      password: 'secret',
      binaries: findPostgres({ prefer: 'system', major }),
    });
    const trial = new Trial(() => fixture.servers);
    beforeAll(async () => void (await trial.stage()));
    afterAll(() => trial.end());

    const judged = (name: string, find: () => Promise<readonly string[]>): void => {
      test(name, { timeout: 180_000 }, async () => {
        const found = await find();
        expect(found.map(brief), 'the attacker has').toEqual([]);
      });
    };

    for (const [family, attacks] of Object.entries(families)) {
      describe(family, () => {
        for (const attack of attacks) {
          const { afterwards: then } = attack;
          for (const place of placesOf(attack)) {
            judged(`${attack.name}, ${place}`, () =>
              trial.charges(
                (scene) => carryOut(attack, scene(attack.by ?? 'alice', place)),
                then === undefined ? undefined : afterwards[then],
              ),
            );
          }
        }
        for (const place of atMembers) {
          judged(`all ${family}, ${place}`, () =>
            trial.charges(async (scene) => {
              for (const attack of attacks.filter(({ only }) => only === undefined))
                await carryOut(attack, scene(attack.by ?? 'alice', place));
            }),
          );
        }
      });
    }

    describe('at random', () => {
      for (const place of atRandom) {
        for (const by of attackers) {
          judged(`variations by ${by}, ${place}`, async () => {
            const functions = await ownFunctions({ stage: await trial.stage() });
            for (let round = 0; round < rounds; round++) {
              const script = composed(seed + round, functions);
              const found = await trial.charges(
                async (scene) => void (await scene(by, place).hand.say(...script)),
              );
              if (found.length > 0)
                return [`ATTACK_SEED=${seed + round} ATTACK_ROUNDS=1: ${script.join(';\n')}`, ...found];
            }
            return [];
          });
        }
      }
    });
  });
}

/** Some differences name every row. */
const brief = (charge: string): string => (charge.length > 2_000 ? `${charge.slice(0, 2_000)} …` : charge);
