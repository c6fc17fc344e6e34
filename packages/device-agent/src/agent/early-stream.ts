import type { Duplex } from 'node:stream';

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
