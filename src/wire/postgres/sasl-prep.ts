/**
 * SASLprep (RFC 4013) as PostgreSQL applies it to passwords: where the rules forbid a character, the password is taken
 * as it is instead of being refused. The rules' list of code points unassigned in Unicode 3.2, and their check of
 * right-to-left text, are left out: they matter only to a password that also changes under NFKC.
 */

const NON_ASCII_SPACE = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/gu;
// The classes are written as alternatives where a code point would combine with its neighbour.
const MAPPED_TO_NOTHING =
  /\u00ad|\u034f|\u1806|[\u180b-\u180d]|\u200c|\u200d|\u2060|[\ufe00-\ufe0f]|\ufeff/gu;
const PROHIBITED =
  // Controls, private use, non-characters, surrogates, and characters that display text wrongly or not at all.
  /[\p{Cc}\p{Co}\p{Cs}\p{Noncharacter_Code_Point}\u0340\u0341\u06dd\u070f\u180e\u200e\u200f\u2028-\u202e\u2061-\u2063\u206a-\u206f\u2ff0-\u2ffb\ufff9-\ufffd\u{1d173}-\u{1d17a}\u{e0001}\u{e0020}-\u{e007f}]/u;

export function saslPrep(password: string): string {
  if (/^[\x20-\x7e]*$/.test(password)) return password;
  const prepared = password.replace(NON_ASCII_SPACE, ' ').replace(MAPPED_TO_NOTHING, '').normalize('NFKC');
  return prepared === '' || PROHIBITED.test(prepared) ? password : prepared;
}
