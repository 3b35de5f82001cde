/** Takes passwords out of what is about to be logged: the last line of defence, behind `Secret`. */
const HIDDEN = '[hidden]';
const DEPTH_MAX = 6;
const SECRET_KEY = /passw(or)?d|passphrase|secret|token|privatekey|^key$/i;

export function scrub(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return scrubText(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  if (depth === DEPTH_MAX) return '[…]';
  if (value instanceof Error) return scrub(describeError(value), depth + 1);
  if (Array.isArray(value)) return value.map((item) => scrub(item, depth + 1));
  if ('toJSON' in value && typeof value.toJSON === 'function') return scrub(value.toJSON(), depth + 1);
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      SECRET_KEY.test(key) ? HIDDEN : scrub(inner, depth + 1),
    ]),
  );
}

/** Hides the password in URLs (`scheme://user:password@host`) and in `PASSWORD '…'` and `password=…`. */
export function scrubText(text: string): string {
  return (
    text
      // Bounded: a long word that is no scheme would be looked at from each of its letters to its end.
      .replaceAll(/([a-z][a-z0-9+.-]{0,30}:\/\/[^\s:/@]*:)[^\s@/]+@/gi, `$1${HIDDEN}@`)
      .replaceAll(/(\bpassword\s*)(=\s*|\s)('(?:[^']|'')*'|"[^"]*")/gi, `$1$2${HIDDEN}`)
      .replaceAll(/(\bpassword=)(?!\[hidden\])[^\s'"&;]+/gi, `$1${HIDDEN}`)
  );
}

function describeError(error: Error): Readonly<Record<string, unknown>> {
  const { name, message, stack, cause } = error;
  // What drivers add to an error: code, detail, position.
  const more = Object.fromEntries(Object.entries(error));
  return { name, message, ...more, stack, ...(cause !== undefined && { cause }) };
}
