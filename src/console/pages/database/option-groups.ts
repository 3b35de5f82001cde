/** Under which heading an option stands. */

export interface OptionGroup {
  readonly title: string;
  readonly text: string;
  readonly open: boolean;
  /** Of the path of an option. */
  readonly begins: readonly string[];
}

export const GROUPS: readonly OptionGroup[] = [
  {
    title: 'Cluster and credentials',
    text: 'Name, product, the login that all databases share',
    open: true,
    begins: ['cluster', 'dialect', 'username', 'password', 'source', 'tls'],
  },
  { title: 'Reads', text: 'Which database answers a read', open: true, begins: ['balancer'] },
  { title: 'Probes', text: 'How databases are watched', open: false, begins: ['probe'] },
  { title: 'Deadlines', text: 'How long anything may take', open: false, begins: ['deadlines'] },
  { title: 'Retention', text: 'How much of the commit log is kept', open: false, begins: ['log'] },
  { title: 'Synchronisation', text: 'How a database is brought level', open: false, begins: ['sync'] },
  {
    title: 'Verification',
    text: 'The schedule of the integrity check',
    open: false,
    begins: ['verification'],
  },
  { title: 'Further options', text: 'Addresses, limits, logging', open: false, begins: [] },
];

export function groupOf(path: string): OptionGroup | undefined {
  const [first = ''] = path.split('.');
  return GROUPS.find(({ begins }) => begins.includes(first)) ?? GROUPS.at(-1);
}
