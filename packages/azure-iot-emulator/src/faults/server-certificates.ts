import { createServerIdentity, issueServerIdentity, renewalMs, type ServerIdentity } from '../tls/server-identity.ts';
import type { CertificateProblem } from './fault.ts';
import type { FaultRegistry } from './fault-registry.ts';

const dayMs = 86_400_000;

/** Options of {@link ServerCertificates}. */
export interface ServerCertificatesOptions {
  readonly usual: ServerIdentity;
  readonly faults: FaultRegistry;
  /** Unix milliseconds, by the emulator's clock. */
  readonly now: () => number;
}

/**
 * What clients are shown instead of the usual server certificate, made when somebody asks for it: certificates that they
 * must refuse, and a new one under the same root where the usual one is near its end.
 */
export class ServerCertificates {
  readonly #options: ServerCertificatesOptions;
  readonly #made = new Map<CertificateProblem, Promise<ServerIdentity>>();
  #untilMs: number;
  #renewed: Promise<ServerIdentity> | undefined;

  constructor(options: ServerCertificatesOptions) {
    this.#options = options;
    this.#untilMs = renewalMs(options.usual);
  }

  /** What to show a client that asks for this name; undefined for the usual certificate. */
  identityFor(serverName: string): Promise<ServerIdentity> | undefined {
    const isMeant = ({ host }: { readonly host?: string }): boolean =>
      host === undefined || host.toLowerCase().replace(/:\d+$/, '') === serverName.toLowerCase();
    const hit = this.#options.faults.meet(['certificate'], {}, isMeant);
    if (!hit) return this.#good();
    const { problem } = hit.fault;
    const made = this.#made.get(problem) ?? this.#make(problem);
    this.#made.set(problem, made);
    return made;
  }

  #good(): Promise<ServerIdentity> | undefined {
    const { now, usual } = this.#options;
    // Clients go by the system's clock, whatever the emulator's says.
    const nowMs = Math.max(now(), Date.now());
    if (nowMs < this.#untilMs) return this.#renewed;
    // Under the same root in any case, since clients trust that one.
    this.#renewed = issueServerIdentity(usual, { nowMs });
    // It is good for a year.
    this.#untilMs = nowMs + 300 * dayMs;
    return this.#renewed;
  }

  #make(problem: CertificateProblem): Promise<ServerIdentity> {
    const { usual } = this.#options;
    // Clients judge by the system's clock, whatever the emulator's says.
    const nowMs = Date.now();
    switch (problem) {
      case 'expired':
        return issueServerIdentity(usual, {
          validity: { notBefore: new Date(nowMs - 2 * dayMs), notAfter: new Date(nowMs - dayMs) },
        });
      case 'wrongName':
        return issueServerIdentity(usual, { dnsNames: ['somebody-else.invalid'] });
      case 'otherRoot':
        return createServerIdentity();
    }
  }
}
