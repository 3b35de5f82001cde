export { namesToTry } from './index-name.ts';
export { hiddenInBuiltin, isCarriedSetting, mergeHidden, readBody } from './body.ts';
export type { Body } from './body.ts';
export { AskedCatalog, answerOf } from './asked-catalog.ts';
export type { Answer, Answers, Asked } from './asked-catalog.ts';
export { Classifier } from './classifier.ts';
export type { ClassifierLimits, Examine, SessionReading } from './classifier.ts';
export { buildingPrefix } from './control-objects.ts';
export { dependsOnSchema } from './depends-on-schema.ts';
export { judgeNested } from './nested-statement.ts';
export type { NestedReading } from './nested-statement.ts';
export { classifyHead } from './oversized.ts';
export { parameterCount } from './parameters.ts';
export { quoteIdent, quoteLiteral } from './quote.ts';
export { findRolePassword } from './role-password.ts';
export { routeReason } from './route-reason.ts';
export { trailBytesOf } from './server-reading.ts';
export { withoutConstants } from './without-constants.ts';
export type { TrailBytes } from './server-reading.ts';
export type {
  Draft,
  FunctionCatalog,
  Hidden,
  HiddenIn,
  IsolationLevel,
  Refusal,
  RelationName,
  Statement,
  StatementKind,
  TransactionOptions,
  Volatility,
} from './statement.ts';
