/** The SQLSTATEs that Lockstep's own functions raise. */
export const sqlStates = {
  staleTerm: 'LS001',
  aroundLockstep: 'LS002',
  hiddenDdl: 'LS003',
  diverged: 'LS004',
  recordLost: 'LS005',
} as const;
