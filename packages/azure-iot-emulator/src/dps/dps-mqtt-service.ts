import type {
  ConnectRefusal,
  MqttClient,
  MqttConnect,
  MqttService,
  MqttSession,
  SubscriptionRefusal,
} from '../mqtt/service.ts';
import type { DeviceClaim } from './device-claim.ts';
import type { DeviceRegistration } from './device-registration.ts';
import { DpsError } from './dps-error.ts';
import { ThrottledError } from './rate-limit.ts';
import { registrationKey } from './registration-id.ts';

/** `{idScope}/registrations/{registrationId}/api-version={version}[&ClientVersion=..]` (DPS documents, MQTT). */
const USERNAME = /^([^/]+)\/registrations\/([^/]+)\/api-version=([^&]+)/;
const RESPONSE_FILTER = '$dps/registrations/res/#';
const REGISTER_TOPIC = /^\$dps\/registrations\/PUT\/iotdps-register\/\?(.+)$/;
const STATUS_TOPIC = /^\$dps\/registrations\/GET\/iotdps-get-operationstatus\/\?(.+)$/;
const BAD_IDENTIFIER: ConnectRefusal = 2;

/** Options of {@link DpsMqttService}. */
export interface DpsMqttServiceOptions {
  readonly registration: DeviceRegistration;
  /** Unix milliseconds. */
  readonly now: () => number;
}

/**
 * DPS's device API over MQTT. Every connection that names itself well is accepted; whether the device may register is
 * said by the answer to its register message, as Azure does.
 */
export class DpsMqttService implements MqttService {
  readonly #options: DpsMqttServiceOptions;

  constructor(options: DpsMqttServiceOptions) {
    this.#options = options;
  }

  accepts(username: string): boolean {
    return USERNAME.test(username);
  }

  connect(connect: MqttConnect, client: MqttClient): ReturnType<MqttService['connect']> {
    const [, idScope = '', registrationId = '', apiVersion = ''] = USERNAME.exec(connect.username) ?? [];
    if (registrationKey(connect.clientId) !== registrationKey(registrationId)) {
      return Promise.resolve({
        refusal: BAD_IDENTIFIER,
        reason: `the client ID ${connect.clientId} has to be the registration ID ${registrationId}`,
      });
    }
    const password = connect.password && Buffer.from(connect.password).toString('utf8');
    const claim: DeviceClaim = {
      idScope,
      registrationId,
      apiVersion,
      presentedChain: connect.presentedChain,
      signature: password === '' ? undefined : password,
    };
    return Promise.resolve(new DpsMqttSession(this.#options, claim, client));
  }
}

class DpsMqttSession implements MqttSession {
  // DPS documents, MQTT: sessions never persist, whatever the client asks for.
  readonly sessionPresent = false;
  readonly #options: DpsMqttServiceOptions;
  readonly #claim: DeviceClaim;
  readonly #client: MqttClient;
  #isSubscribed = false;

  constructor(options: DpsMqttServiceOptions, claim: DeviceClaim, client: MqttClient) {
    this.#options = options;
    this.#claim = claim;
    this.#client = client;
  }

  opened(): void {
    // Nothing to say before the device asks.
  }

  subscribe(topicFilter: string, qos: 0 | 1 | 2): 0 | 1 | SubscriptionRefusal {
    if (topicFilter !== RESPONSE_FILTER) return { refusal: `DPS grants ${RESPONSE_FILTER} alone` };
    this.#isSubscribed = true;
    return qos === 0 ? 0 : 1;
  }

  subscribed(): void {
    // Nothing waits for a subscription.
  }

  unsubscribe(topicFilter: string): void {
    if (topicFilter === RESPONSE_FILTER) this.#isSubscribed = false;
  }

  async publish({ topic, payload }: { readonly topic: string; readonly payload: Uint8Array }): Promise<void> {
    const register = REGISTER_TOPIC.exec(topic)?.[1];
    const query = register ?? STATUS_TOPIC.exec(topic)?.[1];
    const rid = query === undefined ? undefined : parameter(query, '$rid');
    if (query === undefined || rid === undefined) throw new Error(`DPS knows no topic ${topic}`);
    // The answer goes out after the PUBACK: the service doesn't keep a register message waiting for what comes of it.
    void this.#answer(rid, () =>
      register === undefined
        ? this.#options.registration.operationStatus(this.#claim, parameter(query, 'operationId') ?? '')
        : this.#options.registration.register(this.#claim, parseJson(payload)),
    );
    return Promise.resolve();
  }

  closed(): void {
    this.#isSubscribed = false;
  }

  async #answer(rid: string, work: () => Promise<object>): Promise<void> {
    const { retryAfterSeconds } = this.#options.registration;
    try {
      const body = await work();
      const isUnderWay = 'status' in body && body.status === 'assigning';
      await this.#send(isUnderWay ? 202 : 200, rid, body, isUnderWay ? retryAfterSeconds : undefined);
    } catch (error) {
      if (!(error instanceof DpsError)) {
        this.#client.close(error instanceof Error ? error.message : String(error));
        return;
      }
      const retryAfter = error instanceof ThrottledError ? error.retryAfterSeconds : undefined;
      await this.#send(error.status, rid, error.body(this.#options.now()), retryAfter);
    }
  }

  async #send(status: number, rid: string, body: object, retryAfter: number | undefined): Promise<void> {
    if (!this.#isSubscribed) return;
    const wait = retryAfter === undefined ? '' : `&retry-after=${retryAfter}`;
    const topic = `$dps/registrations/res/${status}/?$rid=${rid}${wait}`;
    // QoS 0, as in a trace of the real service (azure-iot-sdk-c issue 1900).
    await this.#client.publish(topic, Buffer.from(JSON.stringify(body)), 0);
  }
}

/** The value as it stands, not decoded: `$rid` is the client's own text and goes back unchanged. */
function parameter(query: string, name: string): string | undefined {
  return query
    .split('&')
    .find((part) => part.startsWith(`${name}=`))
    ?.slice(name.length + 1);
}

function parseJson(payload: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(payload).toString('utf8'));
  } catch {
    throw new DpsError('invalidArgument', 'Invalid registration: the body is not JSON.');
  }
}
