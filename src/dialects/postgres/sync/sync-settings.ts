import { readingSettings } from '../snapshot.ts';

/** By which the connections of a synchronisation are found, when the node that opened them is no more. */
export const syncApplication = 'lockstep sync';

/** Equal values read the same on every member. */
export const syncSettings: Readonly<Record<string, string>> = {
  ...readingSettings,
  application_name: syncApplication,
  jit: 'off',
  // Every scan starts at the first page, so that reading a table in pieces and reading it whole are alike.
  synchronize_seqscans: 'off',
};

/** Rows are written as they are: no trigger, no foreign key, no capture. */
export const writingSettings: Readonly<Record<string, string>> = {
  ...syncSettings,
  session_replication_role: 'replica',
  'lockstep.guard': 'off',
};
