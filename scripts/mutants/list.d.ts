export interface Mutant {
  /** Completes the sentence "with it …". */
  readonly breaks: string;
  readonly guarantee: string;
  readonly anchor: string;
  readonly replacement: string;
  /** What must fail: a test file, and in it the tests whose names contain this. */
  readonly check: { readonly file: string; readonly test?: string };
}

export const mutants: Readonly<Record<string, Mutant>>;
