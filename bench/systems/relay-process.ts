/** Passes bytes on, both ways, and looks at none of them: `node relay-process.js <port> <port of the server>`. */

import { connect, createServer } from 'node:net';

const [port, serverPort] = process.argv.slice(2).map(Number);
if (port === undefined || serverPort === undefined) throw new Error('two ports are needed');

createServer({ noDelay: true }, (client) => {
  const server = connect({ port: serverPort, host: '127.0.0.1', noDelay: true });
  client.on('data', (chunk: Buffer) => void server.write(chunk));
  server.on('data', (chunk: Buffer) => void client.write(chunk));
  for (const socket of [client, server]) {
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      client.destroy();
      server.destroy();
    });
  }
}).listen(port, '127.0.0.1');
