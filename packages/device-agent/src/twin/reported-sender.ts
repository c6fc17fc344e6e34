import type { DeviceAgentError } from '../errors.ts';
import type { JsonObject } from './merge-patch.ts';
import type { ReportedProperties } from './reported-properties.ts';
import { isRefusal, isThrottled, twinError } from './twin-error.ts';
import type { TwinLink } from './twin-link.ts';

/** Whom the sender tells. */
export interface ReportedSenderOptions {
  readonly onReported: (properties: JsonObject) => void;
  /** What is dropped with this error, or has to wait. */
  readonly onFailed: (error: DeviceAgentError) => void;
  /** Nobody knows whether the hub has taken a patch: the twin has to be fetched again. */
  readonly onDoubt: (link: TwinLink) => void;
}

/** Sends what the hub still needs, one patch at a time; what is reported in the same turn, or meanwhile, becomes one. */
export class ReportedSender {
  readonly #reported: ReportedProperties;
  readonly #options: ReportedSenderOptions;

  constructor(reported: ReportedProperties, options: ReportedSenderOptions) {
    this.#reported = reported;
    this.#options = options;
  }

  /** Call after each change, of what is reported or of what the hub has. */
  wake(link: TwinLink): void {
    if (link.isSending) return;
    link.isSending = true;
    queueMicrotask(() => void this.#sendAll(link));
  }

  async #sendAll(link: TwinLink): Promise<void> {
    try {
      for (let patch = this.#pending(link); patch; patch = this.#pending(link)) await this.#send(link, patch);
    } catch (error) {
      // The state can't be read or written: the next report, or the next session, tries again.
      this.#options.onFailed(twinError(error));
    } finally {
      link.isSending = false;
    }
  }

  #pending(link: TwinLink): JsonObject | undefined {
    return link.isInUse ? this.#reported.pending() : undefined;
  }

  async #send(link: TwinLink, patch: JsonObject): Promise<void> {
    let version: number;
    try {
      version = await link.session.report(patch);
    } catch (error) {
      if (link.isInUse) await this.#recover(link, patch, error);
      return;
    }
    if (!link.isInUse) return;
    link.succeeded();
    this.#reported.sent(patch, version);
    this.#options.onReported(patch);
  }

  async #recover(link: TwinLink, patch: JsonObject, error: unknown): Promise<void> {
    if (isRefusal(error)) {
      await this.#sendSingly(link, patch, error);
      return;
    }
    await link.pause(error);
    if (isThrottled(error) || !link.isInUse) return;
    link.doubts += 1;
    this.#reported.disconnected();
    this.#options.onDoubt(link);
  }

  /** One bad property must not take the others with it. */
  async #sendSingly(link: TwinLink, patch: JsonObject, error: DeviceAgentError): Promise<void> {
    const names = Object.keys(patch);
    if (names.length === 1) {
      for (const name of names) this.#reported.giveUp(name);
      this.#options.onFailed(error);
      return;
    }
    for (const name of names) {
      if (link.isInUse) await this.#send(link, { [name]: patch[name] });
    }
  }
}
