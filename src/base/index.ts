export { BackOff } from './back-off.ts';
export { pause, systemClock, withDeadline } from './clock.ts';
export type { Clock } from './clock.ts';
export { deferred } from './deferred.ts';
export type { Deferred } from './deferred.ts';
export { assertNever, invariant, InvariantError, LockstepError, messageOf } from './errors.ts';
export type { LockstepErrorInit, Outcome } from './errors.ts';
export { Lru } from './lru.ts';
