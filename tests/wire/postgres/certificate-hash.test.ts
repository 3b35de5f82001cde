import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { certificateHash } from '../../../src/wire/postgres/index.ts';

/** Self-signed certificates of nobody, by the algorithm of their signature. */
const ECDSA_SHA256 =
  'MIIBFDCBuwIUF7MvIqIQIJHbwEIxn8+e3tXrC/kwCgYIKoZIzj0EAwIwDDEKMAgGA1UEAwwBeDAgFw0yNjExMjMwNjA1NThaGA8yMTI2MTAzMDA2MDU1OFowDDEKMAgGA1UEAwwBeDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNNErbSToz2C5G85tu0BgqRqiEmFOqzih+LO869XAvCIwZiW6JW65nPP9pHVgPhG4kX6zKcE0DPKL+ihX5Tvo14wCgYIKoZIzj0EAwIDSAAwRQIhAJ8znnp3B9wQuw3ctvOF2mnN+rTuLs4H0iD+p5k2sR8vAiBjLCa+UaMi1rnRoqbVA4QR/YaKp0kIh+3Bsz4B6Z9pGg==';
const ECDSA_SHA384 =
  'MIIBFDCBuwIUL+zW2dDs3ghtYDcQ9jZ7ag9QXPwwCgYIKoZIzj0EAwMwDDEKMAgGA1UEAwwBeDAgFw0yNjExMjMwNjA1NThaGA8yMTI2MTAzMDA2MDU1OFowDDEKMAgGA1UEAwwBeDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABLVGon7ROxW5QHfuKLs32U3h+3MCKjww7PtQFjkPCPWryawYOcYDlQM2J0i78kBX0g5Mm78wboCVsvERBY/z1XcwCgYIKoZIzj0EAwMDSAAwRQIgKXvWWVbotz/BR0DzinvWt5Lv0JnxeiZLpPfX9/HmfVsCIQCcYWQs/jinT+5YdL1f9fciQ6PIBIhedoHEMW+eOVUkBQ==';
const ECDSA_SHA512 =
  'MIIBFTCBuwIUXf41zNDk7MK8DUqRSO+d4DJp5sIwCgYIKoZIzj0EAwQwDDEKMAgGA1UEAwwBeDAgFw0yNjExMjMwNjA1NThaGA8yMTI2MTAzMDA2MDU1OFowDDEKMAgGA1UEAwwBeDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABE5gUcUoqeXQeBmp3NuhRa4C8toijKCxBC5LCHbmJiwxwRa8FivzyOcgt1x9DZRjip5mKTwOAD1Gi0RBMYlRlo0wCgYIKoZIzj0EAwQDSQAwRgIhAJy9dM6g0FjV6lg3aE6BOCZv+omP8YyDEhbnp1HSPMEAAiEA0TTXTWHu+hp1oo3dy/t2qO44pp+urlRqQjGj2tB4K8k=';
const RSA_SHA1 =
  'MIIBnDCCAQUCFGbUfcCEqo9iAi0bDYfy7hr6eWqqMA0GCSqGSIb3DQEBBQUAMAwxCjAIBgNVBAMMAXgwIBcNMjYxMTIzMDYwNTU4WhgPMjEyNjEwMzAwNjA1NThaMAwxCjAIBgNVBAMMAXgwgZ8wDQYJKoZIhvcNAQEBBQADgY0AMIGJAoGBAKOs3SSqLnLALa6uKsWFizxmEMEQeS9tI9fK3Z7DcEDT9gMyvc/jHG6sxPSAEQ9L7n3LIBKaSCO8BJkt4DpZ2EVwc5rf9HUw9dsaQ1L3xdz1Jh1C+B7AxtytlI8HVLVhuqrliC1fo66i0rDULSIFMyQEmpPhNL/oZT1pVxp9rbP7AgMBAAEwDQYJKoZIhvcNAQEFBQADgYEAU+6cqwgw/Tvl0IUn+/VLo5uaELlOUCid3w7MGcTHuGgbTCkRQDdPoFqEsC/7nTy7PyC1Twcqifcb5YKgUXDgK6Zh67sFJkccHEIYcoGa4ul/wEmdfNx5NyrmsDVrGxNdbfCqIIGRusiq28zZ4jj3LXUaKki6Lz+6ShLzNR24504=';
const ED25519 =
  'MIHUMIGHAhQD9fMJ5a7pQzXrpOHpgbbqlZ0V1TAFBgMrZXAwDDEKMAgGA1UEAwwBeDAgFw0yNjExMjMwNjA1NThaGA8yMTI2MTAzMDA2MDU1OFowDDEKMAgGA1UEAwwBeDAqMAUGAytlcAMhANcDvpE4QJc4PNJqOBC2CCFK13Zw1i6/LORyH29z+GBtMAUGAytlcANBAK7+jiCMjJuce1L3Hk+lrPVrLuDtlMSCW2UYHw67bmjrj+KwpYNVyXZDDH5oDlUyANoe0W8hHEJvXvUiKKNfogw=';

describe('channel binding: the hash of a certificate', () => {
  test.each([
    ['sha256', ECDSA_SHA256],
    ['sha384', ECDSA_SHA384],
    ['sha512', ECDSA_SHA512],
    ['sha256', RSA_SHA1],
  ])('is made with %s, as its signature asks', (hash, base64) => {
    const der = Buffer.from(base64, 'base64');
    expect(certificateHash(der)).toEqual(createHash(hash).update(der).digest());
  });

  test('does not exist where the signature has no hash function of its own', () => {
    expect(certificateHash(Buffer.from(ED25519, 'base64'))).toBeUndefined();
  });

  test('does not exist for bytes that are no certificate, wherever they break off', () => {
    const der = Buffer.from(ECDSA_SHA256, 'base64');
    for (let end = 0; end < der.length; end++) expect(certificateHash(der.subarray(0, end))).toBeUndefined();
    expect(certificateHash(Buffer.from([0x30, 0xff, 1, 2, 3]))).toBeUndefined();
  });
});
