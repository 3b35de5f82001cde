/** The SQLSTATEs that Lockstep's own functions raise. */
export const sqlStates = {
  staleTerm: 'LS001',
  aroundLockstep: 'LS002',
  hiddenDdl: 'LS003',
  diverged: 'LS004',
  recordLost: 'LS005',
  notTheNode: 'LS006',
  /** No error: a change came behind the end of its record. */
  latePart: 'LS0LP',
  /** No error: a schema statement has run inside of another one. */
  schemaChanged: 'LS0SC',
  /** No error: a warning to whoever has made such a definition. */
  unrepeatable: '01LS1',
} as const;
