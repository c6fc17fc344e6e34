import { randomBytes, randomUUID } from 'node:crypto';
import type { ServicePrincipal } from '../entra/service-principal.ts';
import { createTokenKey, type TokenKey } from '../entra/token-authority.ts';
import { createServerIdentity, renewalMs, renewServerIdentity, type ServerIdentity } from '../tls/server-identity.ts';
import type { Shelf } from './shelf.ts';

/** Who an emulator is to its clients: what has to stay so that they find and trust it again. Holds secrets. */
export interface EmulatorIdentity {
  readonly subscriptionId: string;
  readonly servicePrincipal: ServicePrincipal;
  readonly server: ServerIdentity;
  readonly tokenKey: TokenKey;
}

/** The identity that is kept, with a new server certificate where that is near its end, or a new one. */
export async function openIdentity(shelf: Shelf, now: () => number): Promise<EmulatorIdentity> {
  const kept = shelf.map<EmulatorIdentity>('identity');
  const found = kept.get('emulator');
  // Clients go by the system's clock, whatever the emulator's says.
  const nowMs = Math.max(now(), Date.now());
  if (found && nowMs < renewalMs(found.server)) return found;
  if (found) {
    const renewed = { ...found, server: await renewServerIdentity(found.server, nowMs) };
    kept.set('emulator', renewed);
    return renewed;
  }
  const [server, tokenKey] = await Promise.all([createServerIdentity({ now }), createTokenKey()]);
  const created: EmulatorIdentity = {
    subscriptionId: randomUUID(),
    servicePrincipal: {
      tenantId: randomUUID(),
      clientId: randomUUID(),
      clientSecret: randomBytes(30).toString('base64url'),
    },
    server,
    tokenKey,
  };
  kept.set('emulator', created);
  return created;
}
