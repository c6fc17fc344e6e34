import { systemClock } from '../clock.ts';
import { openStream } from '../network/open-stream.ts';
import { firstTransport } from '../network/transport-choice.ts';
import { registerWithState, type ProvisioningService, type Registered } from '../protocol/provision.ts';
import { hasState } from '../state/state-store.ts';
import type { DeviceAgentOptions } from './agent-options.ts';
import type { SecureIdentity } from './dialer.ts';

/**
 * The first registration of a device that is new: it is under way while the state folder is being made, so that the folder's
 * waits for the disk fall into the time that DPS takes anyway.
 */
export class EarlyRegistration {
  /** DPS has the request, and the network nothing to do for a while; or that has failed. */
  readonly asked: Promise<void>;
  readonly #service: ProvisioningService;
  #registered: Promise<Registered> | undefined;

  constructor(service: ProvisioningService, register: (onAsked: () => void) => Promise<Registered>) {
    this.#service = service;
    this.asked = new Promise((resolve) => {
      this.#registered = register(resolve);
      // Whoever takes it sees its failure.
      this.#registered.catch(() => resolve());
    });
  }

  /** For whoever first wants to register with this DPS. */
  take({ idScope, endpoint }: ProvisioningService): Promise<Registered> | undefined {
    if (idScope !== this.#service.idScope || endpoint !== this.#service.endpoint) return undefined;
    const registered = this.#registered;
    this.#registered = undefined;
    return registered;
  }
}

/** Undefined where it isn't sure that DPS is what comes first: only a device without any state has to ask it. */
export function registerEarly(
  options: DeviceAgentOptions,
  { context: secureContext }: SecureIdentity,
  signal: AbortSignal,
): EarlyRegistration | undefined {
  const { connectTo: provisioning, stateFolder, fleet, transport: choice = 'auto', proxy, renewal } = options;
  const { identity, provisioningPayload: payload, clock = systemClock, random = Math.random } = options;
  if (!('idScope' in provisioning) || (fleet?.startWindowMs ?? 0) > 0 || hasState(stateFolder)) return undefined;
  const transport = firstTransport(choice, undefined, clock.now());
  return new EarlyRegistration(provisioning, (onAsked) =>
    registerWithState({
      identity,
      provisioning,
      openStream: (host) => openStream({ host, transport, secureContext, signal, ...(proxy && { proxy }) }),
      onAsked,
      payload,
      apiVersion: typeof renewal?.source === 'object' ? renewal.source.azure?.dpsApiVersion : undefined,
      signal,
      clock,
      random,
    }),
  );
}
