import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { parser, type Packet } from 'mqtt-packet';
import type { DeviceIdentity } from '../src/index.ts';
import type { TlsSite } from './tls-site.ts';

/** A relay that opens TLS on the way to a server, as the device itself, and keeps what the device says. */
export interface WireRecorder {
  readonly port: number;
  readonly sent: Packet[];
  close(): void;
}

export interface RecordWireOptions {
  /** Where the server really is. */
  readonly target: { readonly name: string; readonly port: number; readonly trustedRootsPem: string };
  /** The relay's own certificate and key. */
  readonly site: TlsSite;
  readonly identity: DeviceIdentity;
}

export async function recordWire({ target, site, identity }: RecordWireOptions): Promise<WireRecorder> {
  const sent: Packet[] = [];
  const open = new Set<TLSSocket>();
  const relay = createServer({ ...site, requestCert: true, rejectUnauthorized: false }, (device) => {
    const onward = connect({
      host: '127.0.0.1',
      port: target.port,
      servername: target.name,
      ca: target.trustedRootsPem,
      cert: identity.chainPem,
      key: identity.privateKeyPem,
    });
    const reader = parser({ protocolVersion: 4 });
    reader.on('packet', (packet) => void sent.push(packet));
    device.on('data', (chunk: Buffer) => void reader.parse(chunk));
    for (const [from, to] of [
      [device, onward],
      [onward, device],
    ] as const) {
      open.add(from);
      from.on('error', () => to.destroy());
      from.pipe(to);
    }
  });
  await once(relay.listen(0, '127.0.0.1'), 'listening');
  return {
    port: (relay.address() as AddressInfo).port,
    sent,
    close: () => {
      relay.close();
      for (const socket of open) socket.destroy();
    },
  };
}
