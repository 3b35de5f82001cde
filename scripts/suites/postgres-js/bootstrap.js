/** Stands in for the suite's own: users and database are there already, and TLS is not switched on and off. */
export function exec(_program, words) {
  throw new Error(`not done here: ${words.join(' ')}`);
}
