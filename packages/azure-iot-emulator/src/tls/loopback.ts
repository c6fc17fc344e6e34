import { BlockList, isIP } from 'node:net';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/**
 * What to tell whoever lets the emulator listen on that address: undefined on loopback, else that others can reach it.
 *
 * @param host - address or name, as `listen` takes it
 */
export function exposureWarning(host: string): string | undefined {
  const family = isIP(host);
  const isLoopback = family === 0 ? host === 'localhost' : loopback.check(host, family === 6 ? 'ipv6' : 'ipv4');
  return isLoopback
    ? undefined
    : `WARNING: listening on ${host}, where other machines can reach the emulator. It is made for tests: its keys and secrets are in the cloud file, and its management interface changes everything. Use 127.0.0.1 unless devices elsewhere have to connect.`;
}
