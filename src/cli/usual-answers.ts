/** What a first configuration says when nobody says otherwise. */
export const USUAL = {
  cluster: 'main',
  username: 'lockstep',
  clients: 'app',
  listen: '127.0.0.1:6432',
  admin: '127.0.0.1:6480',
  state: './state',
} as const;
