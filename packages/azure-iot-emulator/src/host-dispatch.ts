import type { IncomingMessage, ServerResponse } from 'node:http';

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

/** Hands each request to its plane; 421 (RFC 9110 section 15.5.20) for a host that no plane serves. */
export function dispatchByHost(planes: Readonly<Record<PlaneName, Handler>>): Handler {
  return (request, response) => {
    const plane = findPlane(request.headers.host ?? '', request.url ?? '/');
    if (plane !== undefined) {
      planes[plane](request, response);
      return;
    }
    response.writeHead(421, { 'Content-Type': 'application/json; charset=utf-8' });
    response.end(
      JSON.stringify({
        error: { code: 'UnknownHost', message: `The emulator does not play '${request.headers.host ?? ''}'.` },
      }),
    );
  };
}
