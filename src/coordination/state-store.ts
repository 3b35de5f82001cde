import type { NodeState } from './node-state.ts';

/**
 * Where the state of a node is kept. What an implementation promises:
 *
 * - `load` answers the state of the last `save` that was acknowledged, or of one that was under way when the node
 *   died, never a mixture. `undefined` means that nothing was ever saved. Anything that cannot be read whole and
 *   checked is an error, never `undefined`: an unreadable state must not look like a first start (G6).
 * - When `save` resolves, the state survives the loss of power. Saves take effect in the order they were asked for.
 * - Nobody else opens the same store until it is closed (G7, on one machine).
 * - When `save` rejects, either the old or the new state may be found later. The caller must not go on as if the change
 *   had been recorded, and may save again.
 */
export interface StateStore {
  load(): Promise<NodeState | undefined>;
  save(state: NodeState): Promise<void>;
  close(): Promise<void>;
}
