import { ConnectionError } from './connection-error.ts';
import { formatServerAddress, type ServerAddress } from './server-address.ts';

/** How far an attempt has come. */
export interface Progress {
  step: 'dns' | 'proxy' | 'tcp' | 'tls' | 'websocket';
  /** The TCP connection, or the tunnel through a proxy. */
  socket?: { readonly bytesRead: number; readonly bytesWritten: number };
}

const mtuAdvice =
  'look at the MTU on the way (VPN, PPPoE, mobile network): lower that of this device (1,280 passes nearly everywhere), or let ICMP "fragmentation needed" through';

/** What it means that an attempt hasn't come further in time. */
export function toTimeout(server: ServerAddress, progress: Progress, timeoutMs: number): ConnectionError {
  const where = formatServerAddress(server);
  const limit = `within ${timeoutMs / 1000} s`;
  switch (progress.step) {
    case 'dns':
      return new ConnectionError('dns', {
        detail: `no answer from a name server for ${server.name} ${limit}`,
        advice: 'Check that this device has a network, and that its name server (often given by DHCP) answers.',
      });
    case 'tcp':
      return new ConnectionError('timeout', {
        detail: `no TCP connection to ${where} ${limit}`,
        advice: `A firewall that drops silently does this: let port ${server.port} out (8883 for MQTT, 443 for WebSocket).`,
      });
    case 'proxy':
      return new ConnectionError('timeout', {
        detail: `no way through the proxy to ${where} ${limit}`,
        advice: 'Check that the proxy runs, and that it can reach this host itself.',
      });
    case 'tls':
      return toTlsTimeout(`no TLS handshake with ${where} ${limit}`, progress.socket);
    case 'websocket':
      return new ConnectionError('timeout', {
        detail: `no answer from ${where} to the WebSocket upgrade ${limit}`,
        advice: 'Look for a proxy or firewall that cuts WebSocket (Upgrade).',
      });
  }
}

function toTlsTimeout(what: string, socket: Progress['socket']): ConnectionError {
  const { bytesWritten = 0, bytesRead = 0 } = socket ?? {};
  return new ConnectionError('timeout', {
    detail: `${what} (TCP connected; ${bytesWritten} bytes sent, ${bytesRead} received)`,
    // Nothing received leaves it open which it is: a server's first flight is large, and from Node 24 on so is the device's.
    advice:
      bytesRead > 0
        ? `Small packets pass and large ones vanish: ${mtuAdvice}.`
        : `Look for a firewall that lets connections begin and then swallows them; or ${mtuAdvice}.`,
  });
}
