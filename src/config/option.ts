/**
 * How one option is described: the check that zod runs and the words that the reference page and the error messages
 * use are made from the same few facts, so they cannot drift apart.
 */
import { z } from 'zod';

export interface OptionDoc {
  /** What the option is for. */
  readonly text: string;
  /** What may stand there: the kind of value, its unit and its bounds. */
  readonly allowed: string;
  /** As an operator would write it; `required` and `none` say what they mean. */
  readonly default: string;
  /** The value must never be shown, not even to say what is wrong with it. */
  readonly secret?: boolean;
}

export interface SectionDoc {
  readonly text: string;
}

export const optionDocs = z.registry<OptionDoc>();
export const sectionDocs = z.registry<SectionDoc>();

export const name = (text: string, fallback = 'required') =>
  z
    .string()
    .regex(/^[a-z0-9_-]{1,63}$/)
    .register(optionDocs, {
      text,
      allowed: '1 to 63 characters, each one of a–z, 0–9, "_" and "-"',
      default: fallback,
    });

export const secret = (text: string, fallback: string) =>
  z
    .union([
      z.string().min(1),
      z.strictObject({ env: z.string().min(1) }),
      z.strictObject({ file: z.string().min(1) }),
    ])
    .register(optionDocs, {
      text,
      allowed: 'text in quotes, `{ env: NAME }` or `{ file: path }`',
      default: fallback,
      secret: true,
    });

interface NumberOption {
  readonly text: string;
  readonly unit: string;
  readonly default: number;
  readonly min: number;
  readonly max: number;
  /** What 0 means, when it does not mean "none at all". */
  readonly zero?: string;
}

export function integer(option: NumberOption): z.ZodDefault<z.ZodNumber> {
  return z
    .int()
    .min(option.min)
    .max(option.max)
    .default(option.default)
    .register(optionDocs, {
      text: option.text,
      allowed: `${range('whole number', option)}${zeroText(option)}`,
      default: String(option.default),
    });
}

/** A duration. Always milliseconds, as the name of the key says. */
export function milliseconds(option: Omit<NumberOption, 'unit'>): z.ZodDefault<z.ZodNumber> {
  return integer({ ...option, unit: 'ms' });
}

/** A size: a number of bytes, or a number with KiB, MiB or GiB. */
export function bytes(option: Omit<NumberOption, 'unit'>) {
  return z
    .preprocess(bytesFrom, z.int().min(option.min).max(option.max))
    .default(option.default)
    .register(optionDocs, {
      text: option.text,
      allowed: `size, ${showBytes(option.min)} to ${showBytes(option.max)}${zeroText(option)}`,
      default: showBytes(option.default),
    });
}

export function flag(option: {
  readonly text: string;
  readonly default: boolean;
}): z.ZodDefault<z.ZodBoolean> {
  return z
    .boolean()
    .default(option.default)
    .register(optionDocs, {
      text: option.text,
      allowed: '`true`, `false`',
      default: String(option.default),
    });
}

export function choice<const V extends readonly [string, ...string[]]>(option: {
  readonly text: string;
  readonly values: V;
  readonly default: NoInfer<V[number]>;
}) {
  return z
    .enum(option.values)
    .default(option.default as never)
    .register(optionDocs, {
      text: option.text,
      allowed: option.values.map((value) => `\`${value}\``).join(', '),
      default: option.default,
    });
}

/** A group of options. Unknown keys in it are errors; left out, every option in it has its default. */
export function section<S extends z.ZodRawShape>(text: string, shape: S) {
  return z
    .strictObject(shape)
    .prefault({} as never)
    .register(sectionDocs, { text });
}

const BYTE_UNITS: Readonly<Record<string, number>> = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

function bytesFrom(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const match = /^(\d{1,12}) ?(KiB|MiB|GiB)$/.exec(value);
  if (match === null) return value;
  return Number(match[1]) * (BYTE_UNITS[match[2] ?? ''] ?? 1);
}

function showBytes(count: number): string {
  for (const [unit, factor] of Object.entries(BYTE_UNITS).reverse()) {
    if (count >= factor && count % factor === 0) return `${count / factor} ${unit}`;
  }
  return String(count);
}

function range(kind: string, option: NumberOption): string {
  const unit = option.unit === '' ? '' : ` ${option.unit}`;
  return `${kind}, ${option.min} to ${option.max}${unit}`;
}

function zeroText(option: { readonly zero?: string }): string {
  return option.zero === undefined ? '' : `; 0: ${option.zero}`;
}
