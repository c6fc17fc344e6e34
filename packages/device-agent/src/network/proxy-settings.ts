import { BlockList, isIP } from 'node:net';
import type { ServerAddress } from './server-address.ts';

/** The way through an HTTP proxy (method CONNECT, RFC 9110 section 9.3.6). */
export interface ProxySettings {
  /** `http://` or `https://` (TLS to the proxy itself), `[user:password@]host[:port]`; ports are 80 and 443 where none is named. */
  readonly url: string;
  /**
   * Hosts that are reached without it, separated by commas or spaces: a name (with everything below it), `.suffix`,
   * `name:port`, an IP address, a CIDR block, or `*` for all.
   */
  readonly noProxy?: string;
  /** PEM roots trusted for an `https://` proxy beside Node's own. */
  readonly trustedRootsPem?: string;
}

/**
 * Proxy settings as curl takes them from the environment: `https_proxy`, `HTTPS_PROXY`, `all_proxy`, `ALL_PROXY`, in this order,
 * and `no_proxy` or `NO_PROXY`. For commands: the library itself looks at no environment.
 *
 * @returns undefined where none is set
 */
export function proxyFromEnvironment(env: Readonly<Record<string, string | undefined>>): ProxySettings | undefined {
  const setting = (...names: string[]): string | undefined =>
    names.map((name) => env[name]?.trim()).find((value) => value !== undefined && value !== '');
  const url = setting('https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY');
  if (url === undefined) return undefined;
  const noProxy = setting('no_proxy', 'NO_PROXY');
  return { url: url.includes('://') ? url : `http://${url}`, ...(noProxy !== undefined && { noProxy }) };
}

/** Whether the way to this server leads through the proxy. */
export function isProxied(proxy: ProxySettings, server: ServerAddress): boolean {
  return !(proxy.noProxy ?? '')
    .split(/[\s,]+/)
    .filter(Boolean)
    .some((rule) => isExempted(rule.toLowerCase(), server));
}

function isExempted(rule: string, server: ServerAddress): boolean {
  if (rule === '*') return true;
  const name = server.name.toLowerCase();
  const family = isIP(name);
  if (family !== 0) return isAddressIn(rule, name, family === 6 ? 'ipv6' : 'ipv4', server.port);
  const [, suffix = '', port] = /^(?:\*?\.)?([^:]+)(?::(\d+))?$/.exec(rule) ?? [];
  if (suffix === '' || (port !== undefined && Number(port) !== server.port)) return false;
  return name === suffix || name.endsWith(`.${suffix}`);
}

function isAddressIn(rule: string, address: string, family: 'ipv4' | 'ipv6', port: number): boolean {
  const [, bare = '', rulePort] = /^\[?([^\]]+?)\]?(?::(\d+))?$/.exec(isIP(rule) === 6 ? `[${rule}]` : rule) ?? [];
  if (rulePort !== undefined && Number(rulePort) !== port) return false;
  const [network = '', prefix] = bare.split('/');
  const ruleFamily = isIP(network);
  if (ruleFamily === 0) return false;
  const bits = prefix === undefined ? (ruleFamily === 6 ? 128 : 32) : Number(prefix);
  if (!Number.isInteger(bits) || bits < 0 || bits > (ruleFamily === 6 ? 128 : 32)) return false;
  const list = new BlockList();
  list.addSubnet(network, bits, ruleFamily === 6 ? 'ipv6' : 'ipv4');
  return list.check(address, family);
}
