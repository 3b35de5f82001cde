import type { FunctionCatalog, Hidden, HiddenIn, Volatility } from './statement.ts';

/** Notices whether it is asked for anything that may change with the schema. */
export class NoticingCatalog implements FunctionCatalog {
  asked = false;
  readonly #catalog: FunctionCatalog;

  constructor(catalog: FunctionCatalog) {
    this.#catalog = catalog;
  }

  get version(): number {
    return this.#catalog.version;
  }

  get settings(): readonly string[] {
    this.asked = true;
    return this.#catalog.settings;
  }

  get everywhere(): Hidden | undefined {
    this.asked = true;
    return this.#catalog.everywhere;
  }

  hidden(what: HiddenIn, schema: string | undefined, name: string): Hidden | undefined {
    this.asked = true;
    return this.#catalog.hidden(what, schema, name);
  }

  volatility(schema: string | undefined, name: string): Volatility {
    this.asked = true;
    return this.#catalog.volatility(schema, name);
  }
}
