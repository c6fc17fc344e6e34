import type { Duplex } from 'node:stream';
import type { SecureContext } from 'node:tls';
import type { Clock } from '../clock.ts';
import type { DeviceIdentity } from '../identity/device-identity.ts';
import { createDeviceSecureContext } from '../identity/secure-context.ts';
import type { NetworkFailureKind } from '../network/connection-error.ts';
import { openStream, type Transport } from '../network/open-stream.ts';
import type { ProxySettings } from '../network/proxy-settings.ts';
import {
  firstTransport,
  nextTransport,
  rememberTransport,
  type TransportChoice,
  type TransportMemory,
} from '../network/transport-choice.ts';
import type { StateStore } from '../state/state-store.ts';

export interface DialerOptions {
  readonly choice: TransportChoice;
  readonly proxy: ProxySettings | undefined;
  readonly trustedRootsPem: string | undefined;
  readonly store: Pick<StateStore, 'get' | 'put'>;
  readonly clock: Clock;
  /** The TLS state of the identity that the agent begins with. */
  readonly secure: SecureIdentity;
}

/** TLS state, made once for a certificate: reading key and chain costs more than a handshake's own part. */
export interface SecureIdentity {
  readonly thumbprint: string;
  readonly context: SecureContext;
}

export function secureIdentity(identity: DeviceIdentity, trustedRootsPem: string | undefined): SecureIdentity {
  return {
    thumbprint: identity.thumbprintSha256,
    context: createDeviceSecureContext(identity, trustedRootsPem),
  };
}

const memoryName = 'transport';

/** Opens every connection of one agent, to DPS and hubs, over the transport that gets through. */
export class Dialer {
  readonly #options: DialerOptions;
  #memory: TransportMemory | undefined;
  #transport: Transport;
  #isUp = false;
  #secure: SecureIdentity;

  constructor(options: DialerOptions) {
    this.#options = options;
    this.#secure = options.secure;
    this.#memory = options.store.get(memoryName) as TransportMemory | undefined;
    this.#transport = this.#first();
  }

  /** @throws what `openStream` throws */
  open(host: string, identity: DeviceIdentity, signal: AbortSignal | undefined): Promise<Duplex> {
    const { proxy } = this.#options;
    return openStream({
      host,
      transport: this.#transport,
      secureContext: this.#contextOf(identity),
      ...(proxy && { proxy }),
      ...(signal && { signal }),
    });
  }

  /** After a try that failed the next one may go another way; after a connection that was lost it begins anew. */
  failed(failure: NetworkFailureKind | undefined): void {
    const { choice } = this.#options;
    this.#transport = this.#isUp ? this.#first() : nextTransport(choice, this.#transport, failure);
    this.#isUp = false;
  }

  /**
   * Remembers the way that worked, where it isn't the one that is tried first anyway.
   *
   * @throws {DeviceAgentError} ERR_AGENT_STATE: only until the process ends
   */
  connected(): void {
    const { store, clock, choice } = this.#options;
    const memory = rememberTransport(this.#memory, this.#transport, clock.now());
    const isNews = memory !== this.#memory && (this.#memory !== undefined || memory.worked !== 'mqtt');
    this.#memory = memory;
    this.#isUp = true;
    if (choice === 'auto' && isNews) store.put(memoryName, memory);
  }

  #first(): Transport {
    return firstTransport(this.#options.choice, this.#memory, this.#options.clock.now());
  }

  #contextOf(identity: DeviceIdentity): SecureContext {
    if (this.#secure.thumbprint !== identity.thumbprintSha256) {
      this.#secure = secureIdentity(identity, this.#options.trustedRootsPem);
    }
    return this.#secure.context;
  }
}
