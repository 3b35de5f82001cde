import { constants, X509Certificate } from 'node:crypto';
import { createSecureContext, TLSSocket } from 'node:tls';
import type { SecureContext } from 'node:tls';
import type { Socket } from 'node:net';
import { certificateHash } from '../../wire/postgres/index.ts';
import { badCertificate } from './login-errors.ts';

export interface ServerEncryption {
  /** PEM text. Intermediate certificates follow the server's own. */
  readonly cert: string;
  readonly key: string;
  /** Clients that do not encrypt are refused. */
  readonly required?: boolean;
}

/** The listener's side of TLS. */
export class Encryption {
  readonly #context: SecureContext;
  /** What a login is bound to; undefined where the certificate does not allow channel binding. */
  readonly certificateHash: Buffer | undefined;
  readonly required: boolean;

  /** Throws `front.bad-certificate`. */
  constructor({ cert, key, required = false }: ServerEncryption) {
    this.required = required;
    try {
      this.#context = createSecureContext({
        cert,
        key,
        minVersion: 'TLSv1.2',
        secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      });
      this.certificateHash = certificateHash(new X509Certificate(cert).raw);
    } catch (error) {
      throw badCertificate(error as Error);
    }
  }

  /** The encrypted stream over `socket`; the handshake is over when it emits `secure`. */
  wrap(socket: Socket): TLSSocket {
    const options = {
      isServer: true,
      secureContext: this.#context,
      // A client that offers protocols and not ours has been led here from another kind of server.
      ALPNProtocols: ['postgresql'],
      highWaterMark: socket.writableHighWaterMark,
    };
    return new TLSSocket(socket, options);
  }
}
