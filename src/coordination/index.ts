export { realDisk } from './disk.ts';
export type { Disk } from './disk.ts';
export { FileStateStore } from './file-state-store.ts';
export type { FileStateIo } from './file-state-store.ts';
export type { NodeState, RememberedMember } from './node-state.ts';
export { lockByFile } from './state-lock.ts';
export type { Release, StateLock } from './state-lock.ts';
export type { StateStore } from './state-store.ts';
