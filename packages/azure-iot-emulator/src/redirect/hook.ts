/**
 * Loaded by `node --import` in front of a program that was written for Azure; its code stays as it is. What changes is
 * where its sockets go and what its name look-ups answer; TLS goes on checking the name that the program asked for.
 */
import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';
import { Socket } from 'node:net';
import { type EmulatorPorts, findRoute, parsePorts, PORTS_VARIABLE } from './route.ts';

type Connect = (this: Socket, ...args: unknown[]) => Socket;

/** A worker thread or a second `--import` must not redirect twice. */
const INSTALLED = Symbol.for('contoso.azure-iot-emulator.redirect');

function install(ports: EmulatorPorts): void {
  redirectSockets(ports);
  redirectLookups(ports);
  syncBuiltinESMExports();
}

function redirectSockets(ports: EmulatorPorts): void {
  const { connect } = Socket.prototype as unknown as { readonly connect: Connect };
  const redirected: Connect = function (...args) {
    // net.connect and tls.connect hand their arguments over as one array that carries a mark of its own.
    const refusal = redirectArguments(Array.isArray(args[0]) ? args[0] : args, ports);
    if (refusal === undefined) return Reflect.apply(connect, this, args);
    // Later: tls.connect goes on with the socket first.
    process.nextTick(() => this.destroy(new Error(refusal)));
    return this;
  };
  Socket.prototype.connect = redirected;
}

/** `connect(options)` or `connect(port, host)`; says why there is no way. */
function redirectArguments(list: unknown[], ports: EmulatorPorts): string | undefined {
  const [first, second] = list;
  if (typeof first === 'object' && first !== null) {
    const { host, port, path } = first as { host?: unknown; port?: unknown; path?: unknown };
    const route = typeof host === 'string' && !path ? findRoute(host, Number(port), ports) : undefined;
    if (route && 'refusal' in route) return route.refusal;
    if (route) list[0] = { ...first, ...route };
  } else if (typeof second === 'string') {
    const route = findRoute(second, Number(first), ports);
    if (route && 'refusal' in route) return route.refusal;
    if (route) list.splice(0, 2, route.port, route.host);
  }
  return undefined;
}

/** For programs that look a name up by themselves; the port is led by the socket alone. */
function redirectLookups(ports: EmulatorPorts): void {
  const address = (host: unknown): unknown => {
    const route = findRoute(String(host), 0, ports);
    return route && 'host' in route ? route.host : host;
  };
  for (const resolver of [dns, dns.promises] as { lookup: (...args: unknown[]) => unknown }[]) {
    const { lookup } = resolver;
    const redirected = (host: unknown, ...rest: unknown[]) => Reflect.apply(lookup, resolver, [address(host), ...rest]);
    // util.promisify finds by a property of the function how its results are named.
    resolver.lookup = Object.defineProperties(redirected, Object.getOwnPropertyDescriptors(lookup));
  }
}

const ports = parsePorts(process.env[PORTS_VARIABLE]);
const marked = globalThis as { [INSTALLED]?: true };
if (ports !== undefined && !marked[INSTALLED]) {
  marked[INSTALLED] = true;
  install(ports);
}
