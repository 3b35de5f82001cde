/** The configuration as operators are shown it: the text, what is set, and every option there is. Secrets are hidden in all of it. */
import { z } from 'zod';
import { isPair, isScalar, isSeq, parseDocument, visit } from 'yaml';
import { isLive } from './live-options.ts';
import { checkConfigText, readFile } from './load-config.ts';
import type { Environment } from './load-config.ts';
import { ConfigFile } from './config-file.ts';
import type { KeyPath } from './problem.ts';
import { schemaAt, walkSchema } from './schema-tree.ts';

export interface ConfigView {
  readonly file: string;
  /** As its author wrote it. */
  readonly text: string;
  /** What is set in it; the rest has its default. */
  readonly values: unknown;
  readonly options: readonly OptionView[];
  readonly problems: readonly {
    readonly severity: string;
    readonly path: string;
    readonly message: string;
    readonly line: number | null;
  }[];
  readonly before: string | null;
}

export interface OptionView {
  /** `probe.intervalMs` */
  readonly path: string;
  readonly type: 'text' | 'number' | 'flag' | 'choice' | 'list' | 'secret';
  readonly default: string;
  readonly help: string;
  /** In words. */
  readonly allowed: string;
  /** A change takes effect when the node is started again. */
  readonly restart: boolean;
}

const HIDDEN = '[hidden]';

/** `taken`: what the node works by, as it was read. */
export async function showConfig(
  file: string,
  { env = process.env, taken }: { readonly env?: Environment; readonly taken?: string | undefined } = {},
): Promise<ConfigView> {
  const { text } = await ConfigFile.read(file);
  const { problems } = await checkConfigText(text, file, { env, readFile });
  const shown = withoutSecrets(text);
  return {
    file,
    text: shown,
    values: parseDocument(shown).toJS() as unknown,
    options: [...walkSchema()].flatMap(({ path, node: { option, schema } }) => {
      if (option === undefined) return [];
      const { text: help, allowed, default: fallback, secret } = option;
      const name = path.join('.');
      const isSecret = secret === true && path.at(-1) !== 'url';
      return [
        {
          path: name,
          type: isSecret ? 'secret' : typeOf(schema),
          default: fallback,
          help,
          allowed,
          restart: !isLive(name),
        },
      ];
    }),
    problems: problems.map(({ severity, key, message, line }) => ({ severity, path: key, message, line })),
    before: taken === undefined || taken === text ? null : withoutSecrets(taken),
  };
}

/** Whether the value must never be shown. Of the address of a member only what is secret in it is hidden. */
export function isSecretOption(path: KeyPath): boolean {
  return schemaAt(path)?.option?.secret === true && path.at(-1) !== 'url';
}

/** Of a value in the file; which item of a list it is in makes no difference. */
function pathOf(ancestors: readonly unknown[]): KeyPath {
  return ancestors.flatMap((ancestor): KeyPath => {
    if (isSeq(ancestor)) return [0];
    return isPair(ancestor) && isScalar(ancestor.key) ? [String(ancestor.key.value)] : [];
  });
}

/** Without secrets that are written out in place, wherever they stand, and passwords in URLs. */
function withoutSecrets(text: string): string {
  const document = parseDocument(text, { prettyErrors: false });
  const cuts: { readonly start: number; readonly end: number }[] = [];
  visit(document, {
    Scalar: (_key, node, ancestors) => {
      const pair = ancestors.at(-1);
      if (!isPair(pair) || pair.value !== node || node.range == null) return;
      if (!isScalar(pair.key)) return;
      if (pair.key.value !== 'password' && !isSecretOption(pathOf(ancestors))) return;
      cuts.push({ start: node.range[0], end: node.range[1] });
    },
  });
  let shown = text;
  for (const { start, end } of cuts.toReversed())
    shown = `${shown.slice(0, start)}"${HIDDEN}"${shown.slice(end)}`;
  return shown.replaceAll(/([a-z][a-z0-9+.-]*:\/\/[^\s:/@"']*:)[^\s@/"']+@/gi, `$1${HIDDEN}@`);
}

function typeOf(schema: z.core.$ZodType): OptionView['type'] {
  if (schema instanceof z.ZodBoolean) return 'flag';
  if (schema instanceof z.ZodEnum) return 'choice';
  if (schema instanceof z.ZodNumber) return 'number';
  if (schema instanceof z.ZodArray) return 'list';
  return 'text';
}
