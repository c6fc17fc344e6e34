import type { SessionHost } from './device-session.ts';
import type { HubClient } from './hub-client.ts';
import { HubError, structuredError } from './hub-error.ts';
import type { JsonValue } from './json.ts';
import { patchReported, twinForDevice } from './twin.ts';

/** Options of {@link TwinRequests}. */
export interface TwinRequestsOptions {
  readonly host: SessionHost;
  readonly device: HubClient;
  /** Publishes below `$iothub/twin/res/`. */
  readonly respond: (tail: string, body: JsonValue | undefined) => void;
}

/** What a device asks of its own twin over MQTT. */
export class TwinRequests {
  readonly #options: TwinRequestsOptions;

  constructor(options: TwinRequestsOptions) {
    this.#options = options;
  }

  get(requestId: string): Promise<void> {
    return this.#answer(requestId, 'twinReads', 0, () => {
      this.#options.respond(`200/?$rid=${requestId}`, twinForDevice(this.#options.device.twin));
    });
  }

  report(requestId: string, payload: Uint8Array): Promise<void> {
    return this.#answer(requestId, 'twinWrites', payload.length, () => {
      const { device, host, respond } = this.#options;
      device.twin = patchReported(device.twin, parsePatch(payload), host.now());
      respond(`204/?$rid=${requestId}&$version=${device.twin.reported.version}`, undefined);
    });
  }

  /** Refusals are answers too; the connection goes on. */
  async #answer(requestId: string, meter: 'twinReads' | 'twinWrites', bytes: number, work: () => void): Promise<void> {
    const { quotas, errorContext } = this.#options.host;
    try {
      quotas.countMessage(bytes);
      const wait = quotas.pass(meter);
      if (wait) await wait;
      work();
    } catch (error) {
      if (!(error instanceof HubError)) throw error;
      const { deviceId } = this.#options.device.identity;
      this.#options.host.log(`device ${deviceId}: twin request refused: ${error.code} ${error.message}`);
      this.#options.respond(`${error.status}/?$rid=${requestId}`, structuredError(error, errorContext()));
    }
  }
}

function parsePatch(payload: Uint8Array): JsonValue {
  try {
    return JSON.parse(Buffer.from(payload).toString()) as JsonValue;
  } catch {
    throw new HubError('IotHubFormatError', { text: 'reported properties are not JSON' });
  }
}
