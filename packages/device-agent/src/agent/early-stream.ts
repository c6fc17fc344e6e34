import type { Duplex } from 'node:stream';
import { systemClock } from '../clock.ts';
import { openStream } from '../network/open-stream.ts';
import { firstTransport } from '../network/transport-choice.ts';
import { defaultEndpoint } from '../protocol/provision.ts';
import { hasState } from '../state/state-store.ts';
import type { DeviceAgentOptions } from './agent-options.ts';
import type { SecureIdentity } from './dialer.ts';

/**
 * The first stream of a device that is new: it is begun before the state folder is made, so that the folder's waits for the
 * disk fall into the time that the handshake takes anyway.
 */
export class EarlyStream {
  readonly #host: string;
  #stream: Promise<Duplex> | undefined;

  constructor(host: string, stream: Promise<Duplex>) {
    this.#host = host;
    this.#stream = stream;
    // Whoever takes it sees its failure.
    stream.catch(() => undefined);
  }

  /** The stream, for whoever first wants one to this host. */
  take(host: string): Promise<Duplex> | undefined {
    if (host !== this.#host) return undefined;
    const stream = this.#stream;
    this.#stream = undefined;
    return stream;
  }

  /** Ends a stream that nobody took. */
  drop(): void {
    void this.#stream?.then(
      (stream) => stream.destroy(),
      () => undefined,
    );
    this.#stream = undefined;
  }
}

/** Undefined where it isn't sure that DPS is what comes first: only a device without any state has to ask it. */
export function dialEarly(
  options: DeviceAgentOptions,
  { context: secureContext }: SecureIdentity,
  signal: AbortSignal,
): EarlyStream | undefined {
  const { connectTo, stateFolder, fleet, transport: choice = 'auto', proxy, clock = systemClock } = options;
  if (!('idScope' in connectTo) || (fleet?.startWindowMs ?? 0) > 0 || hasState(stateFolder)) return undefined;
  const host = connectTo.endpoint ?? defaultEndpoint;
  const transport = firstTransport(choice, undefined, clock.now());
  return new EarlyStream(host, openStream({ host, transport, secureContext, signal, ...(proxy && { proxy }) }));
}
