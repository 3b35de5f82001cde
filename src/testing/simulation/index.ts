export { flaws } from './flaws.ts';
export type { Flaw } from './flaws.ts';
export { simulate } from './simulate.ts';
export type { SimulationOptions, Verdict } from './simulate.ts';
