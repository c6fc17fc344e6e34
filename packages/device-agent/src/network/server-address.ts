import { isIPv6 } from 'node:net';

/** Name or IP address, without brackets, and TCP port. */
export interface ServerAddress {
  readonly name: string;
  readonly port: number;
}

/**
 * Reads `name`, `name:port`, `[IPv6]:port` or a bare IPv6 address.
 *
 * @throws {TypeError} something else
 */
export function parseServerAddress(host: string, usualPort: number): ServerAddress {
  if (isIPv6(host)) return { name: host, port: usualPort };
  const match = /^(?:\[([^\]]+)\]|([^:[\]/@\s]+))(?::(\d{1,5}))?$/.exec(host);
  const name = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? usualPort : Number(match[3]);
  if (name === undefined || port < 1 || port > 65_535) {
    throw new TypeError(`host: expected a name or address, with :port where needed; found ${JSON.stringify(host)}`);
  }
  return { name, port };
}

/** As a person writes it. */
export function formatServerAddress({ name, port }: ServerAddress): string {
  return isIPv6(name) ? `[${name}]:${port}` : `${name}:${port}`;
}
