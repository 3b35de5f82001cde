/** Carries attacks out on a stage and has them judged. One that has got through leaves a stage of no use: the next finds a new one. */

import type { PostgresServer } from '../../src/testing/index.ts';
import type { Place, Scene } from './attack.ts';
import { Hand } from './hand.ts';
import { Observer } from './observer.ts';
import { openStage } from './stage.ts';
import type { Attacker, Stage } from './stage.ts';

/** What is done; it asks for a hand for each place where it does it. */
export type Act = (scene: (by: Attacker, place: Place) => Scene) => Promise<void>;

export class Trial {
  readonly #servers: () => readonly PostgresServer[];
  #stage: Stage | undefined;

  constructor(servers: () => readonly PostgresServer[]) {
    this.#servers = servers;
  }

  async stage(): Promise<Stage> {
    return (this.#stage ??= await openStage(this.#servers()));
  }

  /** Of everything that was made, nothing is left. */
  async end(): Promise<void> {
    const left = this.#stage;
    this.#stage = undefined;
    await left?.close();
  }

  /** What the act has done, and what an operator's work after it has; nothing: it was withstood. */
  async charges(act: Act, then?: (stage: Stage) => Promise<void>): Promise<readonly string[]> {
    const stage = await this.stage();
    const observer = await Observer.begin(stage);
    const hands: Hand[] = [];
    const sceneAt = (by: Attacker, place: Place, url: string): Scene => {
      const hand = new Hand(url);
      hands.push(hand);
      return { stage, hand, by, place };
    };
    const { members } = await stage.node.node.status();
    const primary = members.findIndex(({ role }) => role === 'primary');
    // At one of them: the same at each would be no difference.
    await act((by, place) => {
      if (place === 'through the node') return sceneAt(by, place, stage.nodeUrl(by));
      return sceneAt(by, place, stage.memberUrl(place === 'at the primary' ? primary : 1 - primary, by));
    });
    const heard = hands.flatMap((hand) => hand.heard);
    const found: string[] = [];
    try {
      found.push(...(await observer.judge(heard, () => hands.forEach((hand) => hand.leave()))));
      if (found.length === 0 && then !== undefined)
        found.push(...(await observer.judgeAfterwards(() => then(stage))));
    } catch (error) {
      await this.end();
      throw error;
    }
    if (process.env['ATTACK_HEARD'] !== undefined)
      console.log(hands.flatMap((hand) => hand.heard).join('\n'));
    if (found.length > 0) await this.end();
    else await stage.tidy();
    return found;
  }
}
