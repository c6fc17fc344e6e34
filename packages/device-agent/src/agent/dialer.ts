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
}

const memoryName = 'transport';

/** Opens every connection of one agent, to DPS and hubs, over the transport that gets through. */
export class Dialer {
  readonly #options: DialerOptions;
  #memory: TransportMemory | undefined;
  #transport: Transport;
  #isUp = false;
  #secure: { readonly thumbprint: string; readonly context: SecureContext } | undefined;

  constructor(options: DialerOptions) {
    this.#options = options;
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

  /** Remembers the way that worked, where it isn't the one that is tried first anyway. */
  connected(): void {
    const { store, clock, choice } = this.#options;
    const memory = rememberTransport(this.#memory, this.#transport, clock.now());
    const isNews = memory !== this.#memory && (this.#memory !== undefined || memory.worked !== 'mqtt');
    if (choice === 'auto' && isNews) store.put(memoryName, memory);
    this.#memory = memory;
    this.#isUp = true;
  }

  #first(): Transport {
    return firstTransport(this.#options.choice, this.#memory, this.#options.clock.now());
  }

  /** Made once for a certificate: reading key and chain costs more than a handshake's own part. */
  #contextOf(identity: DeviceIdentity): SecureContext {
    if (this.#secure?.thumbprint !== identity.thumbprintSha256) {
      const context = createDeviceSecureContext(identity, this.#options.trustedRootsPem);
      this.#secure = { thumbprint: identity.thumbprintSha256, context };
    }
    return this.#secure.context;
  }
}
