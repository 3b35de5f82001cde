export { Cluster } from './cluster.ts';
export { leavingReason } from './membership/membership.ts';
export { startCluster } from './recovery/start-cluster.ts';
export type { StartOptions } from './recovery/start-cluster.ts';
export { nobody } from './sessions/held-answer.ts';
export { Session } from './sessions/session.ts';
export type { BeginOptions, Effect, SessionHooks, SessionLimits, Work } from './sessions/session.ts';
export type { ClusterMember, ClusterSettings, World } from './world.ts';
