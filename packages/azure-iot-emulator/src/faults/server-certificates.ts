import { createServerIdentity, issueServerIdentity, type ServerIdentity } from '../tls/server-identity.ts';
import type { CertificateProblem } from './fault.ts';
import type { FaultRegistry } from './fault-registry.ts';

const dayMs = 86_400_000;

/** Server certificates that clients must refuse, made when they are first asked for. */
export class ServerCertificates {
  readonly #usual: ServerIdentity;
  readonly #faults: FaultRegistry;
  readonly #made = new Map<CertificateProblem, Promise<ServerIdentity>>();

  constructor(usual: ServerIdentity, faults: FaultRegistry) {
    this.#usual = usual;
    this.#faults = faults;
  }

  /** What to show a client that asks for this name; undefined for the usual certificate. */
  identityFor(serverName: string): Promise<ServerIdentity> | undefined {
    const isMeant = ({ host }: { readonly host?: string }): boolean =>
      host === undefined || host.toLowerCase().replace(/:\d+$/, '') === serverName.toLowerCase();
    const hit = this.#faults.meet(['certificate'], {}, isMeant);
    if (!hit) return undefined;
    const { problem } = hit.fault;
    const made = this.#made.get(problem) ?? this.#make(problem);
    this.#made.set(problem, made);
    return made;
  }

  #make(problem: CertificateProblem): Promise<ServerIdentity> {
    // Clients judge by the system's clock, whatever the emulator's says.
    const nowMs = Date.now();
    switch (problem) {
      case 'expired':
        return issueServerIdentity(this.#usual, {
          validity: { notBefore: new Date(nowMs - 2 * dayMs), notAfter: new Date(nowMs - dayMs) },
        });
      case 'wrongName':
        return issueServerIdentity(this.#usual, { dnsNames: ['somebody-else.invalid'] });
      case 'otherRoot':
        return createServerIdentity();
    }
  }
}
