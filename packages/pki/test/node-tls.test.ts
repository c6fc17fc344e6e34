import { describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { createSoftwareKey, encodePfx } from '../src/index.ts';
import { commonNameOnly } from '../src/distinguished-name.ts';
import { chainToPem } from '../src/certificate.ts';
import { signCertificate } from '../src/certificate-signing.ts';
import { privateKeyToPem } from '../src/private-key.ts';
import { planValidity } from '../src/validity.ts';
import { createFactory, password } from './fixtures.ts';

/** A server that wants a client certificate below `ca`; answers with what it saw of the client. */
async function handshake(
  ca: string,
  client: ConnectionOptions,
): Promise<{ isAuthorized: boolean; error: string | undefined; subject: unknown }> {
  const { certificatePem, privateKeyPem } = await makeServerCertificate();
  const server = createServer({
    cert: certificatePem,
    key: privateKeyPem,
    ca,
    requestCert: true,
    rejectUnauthorized: false,
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>;
  const { port } = server.address() as AddressInfo;
  const socket = connect({
    port,
    host: '127.0.0.1',
    ca: certificatePem,
    checkServerIdentity: () => undefined,
    ...client,
  });
  try {
    const [peer] = await accepted;
    return {
      isAuthorized: peer.authorized,
      // Declared an Error, in truth OpenSSL's name for the problem.
      error: (peer.authorizationError as unknown as string | null) ?? undefined,
      // Node 24 shows the leaf alone where it has verified the chain: being authorized by the root is what proves the rest.
      subject: peer.getPeerCertificate().subject.CN,
    };
  } finally {
    socket.destroy();
    server.close();
  }
}

async function makeServerCertificate(): Promise<{ certificatePem: string; privateKeyPem: string }> {
  const key = await createSoftwareKey();
  const validity = planValidity({ validityDays: 1 });
  const certificate = await signCertificate(
    { certificate: undefined, key },
    { subject: commonNameOnly('localhost'), publicKeyDer: key.publicKeyDer, validity, extensions: [] },
  );
  return { certificatePem: chainToPem([certificate]), privateKeyPem: privateKeyToPem(key.keyObject) };
}

describe('a TLS server that trusts the root alone', () => {
  it.each(['PEM', 'PFX'])('takes a device that has its chain: %s', async (form) => {
    const { root, device } = await createFactory();
    const client =
      form === 'PEM'
        ? { cert: device.chainPem, key: device.privateKeyPem }
        : { pfx: Buffer.from(await encodePfx({ ...device, password })), passphrase: password };
    await expect(handshake(root.certificatePem, client)).resolves.toEqual({
      isAuthorized: true,
      error: undefined,
      subject: 'thermostat-1',
    });
  });

  it('does not take a device without its intermediate', async () => {
    const { root, device } = await createFactory();
    const client = { cert: device.certificatePem, key: device.privateKeyPem };
    await expect(handshake(root.certificatePem, client)).resolves.toMatchObject({
      isAuthorized: false,
      error: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    });
  });

  it('does not take a device of another factory', async () => {
    const { root } = await createFactory();
    const { device } = await createFactory();
    const client = { cert: device.chainPem, key: device.privateKeyPem };
    await expect(handshake(root.certificatePem, client)).resolves.toMatchObject({ isAuthorized: false });
  });
});
