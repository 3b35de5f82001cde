/** The kinds of events that are looked for most; the filter also offers every other kind that has been seen. */
export const WANTED_TYPES: readonly string[] = [
  'member-activated',
  'member-deactivated',
  'member-added',
  'member-removed',
  'member-unfit',
  'member-differs',
  'primary-switched',
  'primary-differs',
  'record-refused',
  'sync-started',
  'sync-ended',
  'sync-failed',
  'verification-ended',
  'command-ran',
  'node-started',
  'node-stopped',
];
