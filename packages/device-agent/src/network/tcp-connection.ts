import type { LookupAddress } from 'node:dns';
import { connect, type Socket } from 'node:net';
import { ConnectionError, codeOf, reasonOf } from './connection-error.ts';
import { lookupWithLoopbackNames } from './loopback-names.ts';
import { formatServerAddress, type ServerAddress } from './server-address.ts';
import { ignoreErrors } from './socket-event.ts';

/** RFC 8305 section 5: the next address is tried after this many milliseconds, beside the ones that haven't answered. */
const attemptDelayMs = 250;

/**
 * All addresses of a name, in the system's order with the two families taking turns (RFC 8305 section 4).
 *
 * @throws {ConnectionError} dns
 */
export async function resolveAddresses(name: string, signal: AbortSignal): Promise<readonly LookupAddress[]> {
  const addresses = await new Promise<LookupAddress[]>((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort);
    lookupWithLoopbackNames(name, { all: true }, (error, found) => {
      signal.removeEventListener('abort', onAbort);
      if (error) reject(toDnsError(name, error));
      else resolve(found as LookupAddress[]);
    });
  });
  const first = addresses[0]?.family;
  const [own, other] = [addresses.filter((a) => a.family === first), addresses.filter((a) => a.family !== first)];
  return own.flatMap((address, index) => [address, ...other.slice(index, index + 1)]).concat(other.slice(own.length));
}

/**
 * Connects to the first of a server's addresses that answers ("happy eyeballs", RFC 8305). Node's own version cuts an attempt off
 * when the next begins, and so never gets through where a round trip takes longer than that.
 *
 * @throws {ConnectionError} tcp
 */
export function connectTcp(
  server: ServerAddress,
  addresses: readonly LookupAddress[],
  signal: AbortSignal,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const waiting = [...addresses];
    const trying = new Set<Socket>();
    const errors: Error[] = [];
    let timer: NodeJS.Timeout | undefined;
    const settle = (act: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      for (const socket of trying) socket.destroy();
      act();
    };
    const onAbort = (): void => settle(() => reject(signal.reason as Error));
    const tryNext = (): void => {
      clearTimeout(timer);
      const address = waiting.shift();
      if (!address) return;
      const socket = connect({ host: address.address, port: server.port, noDelay: true });
      ignoreErrors(socket);
      trying.add(socket);
      const onConnect = (): void => {
        trying.delete(socket);
        socket.off('error', onError);
        settle(() => resolve(socket));
      };
      const onError = (error: Error): void => {
        trying.delete(socket);
        socket.off('connect', onConnect);
        errors.push(error);
        if (waiting.length > 0) tryNext();
        else if (trying.size === 0) settle(() => reject(toTcpError(server, errors)));
      };
      socket.once('connect', onConnect).once('error', onError);
      if (waiting.length > 0) timer = setTimeout(tryNext, attemptDelayMs);
    };
    signal.addEventListener('abort', onAbort);
    tryNext();
  });
}

function toDnsError(name: string, cause: Error): ConnectionError {
  const isUnknown = codeOf(cause) === 'ENOTFOUND';
  return new ConnectionError('dns', {
    detail: `the name ${name} ${isUnknown ? 'has no address' : 'could not be looked up'}: ${reasonOf(cause)}`,
    advice: isUnknown
      ? 'Check the spelling of the host; where it is right, check which name server this device asks.'
      : 'Check that this device has a network, and that its name server (often given by DHCP) answers.',
    cause,
  });
}

const tcpAdvice: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'Nothing listens there, or a firewall says so: check host, port and firewall.',
  ENETUNREACH: 'This device has no route there: check that its network is up and that it has an address.',
  EHOSTUNREACH: 'This device has no route there: check its gateway, and the cable or radio.',
};

function toTcpError(server: ServerAddress, errors: readonly Error[]): ConnectionError {
  const [first] = errors;
  const detail = [...new Set(errors.map(reasonOf))].join('; ');
  return new ConnectionError('tcp', {
    detail: `no TCP connection to ${formatServerAddress(server)}: ${detail}`,
    advice:
      tcpAdvice[codeOf(first) ?? ''] ??
      `Check this device's network and that its firewall lets port ${server.port} out (8883 for MQTT, 443 for WebSocket).`,
    cause: errors.length === 1 ? first : new AggregateError(errors, detail),
  });
}
