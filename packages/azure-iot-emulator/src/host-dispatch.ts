import type { IncomingMessage, ServerResponse } from 'node:http';
import { plainText } from './plain-text.ts';
import { refuseRequest } from './request-origin.ts';

/** A plane that answers HTTP requests. */
export type PlaneName = 'entra' | 'resourceManager' | 'provisioningService' | 'provisioningDevice' | 'hub';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Names of the emulator and Microsoft's own, in this order; a port after the host makes no difference. */
const hosts: readonly (readonly [RegExp, PlaneName])[] = [
  [/^management\.azure\.com$/, 'resourceManager'],
  [/^login\.microsoftonline\.com$/, 'entra'],
  [/^global\.azure-devices-provisioning\.(?:localhost|net)$/, 'provisioningDevice'],
  [/\.azure-devices-provisioning\.(?:localhost|net)$/, 'provisioningService'],
  [/\.azure-devices\.(?:localhost|net)$/, 'hub'],
];

/** Which plane serves a host; undefined for a host that the emulator doesn't play. */
export function findPlane(host: string, path: string): PlaneName | undefined {
  const name = host.toLowerCase().replace(/:\d+$/, '');
  if (['localhost', '127.0.0.1', '[::1]'].includes(name)) {
    return /^\/(?:subscriptions|providers|tenants)(?:[/?]|$)/i.test(path) ? 'resourceManager' : 'entra';
  }
  return hosts.find(([pattern]) => pattern.test(name))?.[1];
}

/** True for the emulator's own interface: paths under `/emulator/` of the management host. */
export function isEmulatorsOwn(host: string, path: string): boolean {
  const plane = findPlane(host, path);
  return (plane === 'entra' || plane === 'resourceManager') && /^\/emulator\//i.test(path);
}

/** Hands each request to its plane; 421 (RFC 9110 section 15.5.20) for a host that no plane serves. */
export function dispatchByHost(planes: Readonly<Record<PlaneName, Handler>>, log: (line: string) => void): Handler {
  return (request, response) => {
    const { host = '' } = request.headers;
    const plane = findPlane(host, request.url ?? '/');
    // First of all: a name that leads here and isn't ours is how another site's page would reach the emulator.
    if (plane === undefined) {
      const message = `The emulator does not play '${host}'.`;
      log(`HTTP refused ${request.method ?? ''} ${plainText(request.url ?? '')}: ${plainText(message)}`);
      refuseRequest(response, 421, { code: 'UnknownHost', message });
      return;
    }
    planes[plane](request, response);
  };
}
