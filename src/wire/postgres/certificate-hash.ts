/**
 * The channel binding `tls-server-end-point` (RFC 5929): a hash of the server's certificate, by the hash function of
 * the certificate's own signature. Node does not tell that function, so the one field is read from the DER here.
 */

import { createHash } from 'node:crypto';

/** By the object identifier of the signature algorithm. MD5 and SHA-1 count as SHA-256. */
const HASH_BY_SIGNATURE: Readonly<Record<string, string>> = {
  '2a864886f70d010104': 'sha256', // md5WithRSAEncryption
  '2a864886f70d010105': 'sha256', // sha1WithRSAEncryption
  '2a864886f70d01010b': 'sha256', // sha256WithRSAEncryption
  '2a864886f70d01010c': 'sha384', // sha384WithRSAEncryption
  '2a864886f70d01010d': 'sha512', // sha512WithRSAEncryption
  '2a8648ce3d0401': 'sha256', // ecdsa-with-SHA1
  '2a8648ce3d040302': 'sha256', // ecdsa-with-SHA256
  '2a8648ce3d040303': 'sha384', // ecdsa-with-SHA384
  '2a8648ce3d040304': 'sha512', // ecdsa-with-SHA512
};

const SEQUENCE = 0x30;
const OBJECT_IDENTIFIER = 0x06;

/**
 * Undefined where the signature names no single hash function here (Ed25519, RSA-PSS) or the bytes are no certificate:
 * such a connection offers no channel binding.
 */
export function certificateHash(der: Buffer): Buffer | undefined {
  const certificate = contentOf(der, 0, SEQUENCE);
  const signed = certificate && contentOf(der, certificate.from, SEQUENCE);
  const algorithm = signed && contentOf(der, signed.to, SEQUENCE);
  const oid = algorithm && contentOf(der, algorithm.from, OBJECT_IDENTIFIER);
  const hash = oid && HASH_BY_SIGNATURE[der.toString('hex', oid.from, oid.to)];
  return hash === undefined ? undefined : createHash(hash).update(der).digest();
}

/** The place of the content of the DER element at `at`, if it is of this kind and lies within the bytes. */
function contentOf(der: Buffer, at: number, tag: number): { from: number; to: number } | undefined {
  const short = der[at + 1];
  if (der[at] !== tag || short === undefined) return undefined;
  const lengthBytes = short < 0x80 ? 0 : short & 0x7f;
  const from = at + 2 + lengthBytes;
  if (lengthBytes > 4 || from > der.length) return undefined;
  const to = from + (lengthBytes === 0 ? short : der.readUIntBE(at + 2, lengthBytes));
  return to <= der.length ? { from, to } : undefined;
}
