import type { StartTimer } from './timer.ts';

/** Longest silence that IoT Hub allows whatever the client asked for ("Communicate with an IoT hub using MQTT"). */
const longestSilenceMs = 1_767_000;

/** Options of {@link KeepAlive}. */
export interface KeepAliveOptions {
  /** As in the CONNECT packet; 0 asks for none and gets the longest. */
  readonly keepAliveSeconds: number;
  readonly now: () => number;
  readonly startTimer: StartTimer;
  readonly onSilence: (silentMs: number) => void;
}

/**
 * Watches that a client is heard of within one and a half times its keep-alive (MQTT 3.1.1 section 3.1.2.10). One timer
 * a connection that is set anew when it fires, so that a packet costs no more than a reading of the clock.
 */
export class KeepAlive {
  readonly #options: KeepAliveOptions;
  readonly #now: () => number;
  readonly #limitMs: number;
  #lastHeardMs: number;
  #cancel: () => void;

  constructor(options: KeepAliveOptions) {
    this.#options = options;
    this.#now = options.now;
    const asked = options.keepAliveSeconds * 1500;
    this.#limitMs = asked === 0 ? longestSilenceMs : Math.min(asked, longestSilenceMs);
    this.#lastHeardMs = options.now();
    this.#cancel = options.startTimer(this.#limitMs, () => this.#check());
  }

  heard(): void {
    this.#lastHeardMs = this.#now();
  }

  stop(): void {
    this.#cancel();
  }

  #check(): void {
    const silentMs = this.#now() - this.#lastHeardMs;
    if (silentMs >= this.#limitMs) this.#options.onSilence(silentMs);
    else this.#cancel = this.#options.startTimer(this.#limitMs - silentMs, () => this.#check());
  }
}
