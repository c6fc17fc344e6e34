import { randomBytes as systemRandomBytes } from 'node:crypto';
import type { Shelf } from '../data/shelf.ts';
import { looseShelf } from '../data/store.ts';
import type { MqttClient, MqttConnect } from '../mqtt/service.ts';
import { startSystemTimer, type StartTimer } from '../mqtt/timer.ts';
import { twinJson } from './client-json.ts';
import { type CloudToDeviceRequest, type FeedbackRecord, queuedMessage } from './cloud-to-device.ts';
import type { Refused } from './device-admission.ts';
import type { HubCertificateAuthority } from './device-certificate.ts';
import { DeviceRegistry } from './device-registry.ts';
import type { DeviceSession } from './device-session.ts';
import { type DeviceExport, exportDevice, takeProvisioned } from './device-transfer.ts';
import { checkedMethodCall, type MethodRequest, type MethodResponse, notOnline } from './direct-method.ts';
import { checkTwinEtag, type Precondition, twinEtag } from './entity-tag.ts';
import type { FeedbackEndpoint } from './feedback-endpoint.ts';
import { HubAccess, type LocalAuthentication } from './hub-access.ts';
import { defaultHubAssumptions, type HubAssumptions } from './hub-assumptions.ts';
import { HubConnections } from './hub-connections.ts';
import type { ClientName, Device, Module } from './hub-client.ts';
import { type ErrorContext, HubError } from './hub-error.ts';
import { HubFeedback } from './hub-feedback.ts';
import { HubQuotas, type QuotaMode } from './hub-quotas.ts';
import { requireStandard } from './hub-tier.ts';
import type { JsonObject } from './json.ts';
import type { ProvisionedDevice } from './provisioned-device.ts';
import type { RecordLog } from './record-log.ts';
import type { SharedAccessPolicy } from './shared-access-policy.ts';
import type { TelemetryMessage } from './telemetry.ts';
import { TelemetryLog } from './telemetry-log.ts';
import { patchTwin, replaceTwin } from './twin.ts';

/** Options of {@link IotHub}. */
export interface IotHubOptions {
  /** Name of the ARM resource. */
  readonly name: string;
  /** Host name that devices are sent to, with the port: `{name}.azure-devices.localhost:{port}`. */
  readonly hostName: string;
  /** Milliseconds since 1970; default `Date.now`. */
  readonly now?: () => number;
  /** Default: the system's timers. */
  readonly startTimer?: StartTimer;
  /** What waits of readers go by, for telemetry or a connection; default `startTimer`. */
  readonly startWaitTimer?: StartTimer;
  /** Default: node:crypto. */
  readonly randomBytes?: (size: number) => Uint8Array;
  /** Gets one line for each thing that the hub refuses a device. Default: nothing is logged. */
  readonly log?: (line: string) => void;
  /** Default {@link defaultHubAssumptions}. */
  readonly assumptions?: HubAssumptions;
  /** Default `off`. */
  readonly quotas?: QuotaMode;
  /** What the hub keeps; default: everything in memory alone. */
  readonly shelf?: Shelf;
}

type Timers = Required<Pick<IotHubOptions, 'startTimer' | 'startWaitTimer'>>;

/** One IoT Hub: identities, twins, methods, messages, and the devices that are connected to it. */
export class IotHub {
  readonly name: string;
  readonly hostName: string;
  readonly registry: DeviceRegistry;
  /** What devices sent: the newest 50,000 messages of 64 MiB in all at most. */
  readonly telemetry: RecordLog<TelemetryMessage>;
  readonly quotas: HubQuotas;
  readonly assumptions: HubAssumptions;
  readonly now: () => number;
  readonly #randomBytes: (size: number) => Uint8Array;
  readonly #access: HubAccess;
  readonly #feedback: HubFeedback;
  readonly #connections: HubConnections;
  readonly #lastMessage: { current: number };

  constructor(options: IotHubOptions) {
    const { startTimer = startSystemTimer, now = Date.now, assumptions = defaultHubAssumptions } = options;
    this.name = options.name;
    this.hostName = options.hostName;
    this.now = now;
    this.assumptions = assumptions;
    this.#randomBytes = options.randomBytes ?? systemRandomBytes;
    const shelf = options.shelf ?? looseShelf();
    this.#lastMessage = shelf.value('lastMessage', () => 0);
    const { startWaitTimer = startTimer } = options;
    this.#access = new HubAccess(shelf, this.#randomBytes);
    this.quotas = new HubQuotas({ mode: options.quotas ?? 'off', now, startTimer, assumptions, shelf });
    const telemetry = new TelemetryLog({ startTimer: startWaitTimer, shelf: shelf.shelf('telemetry') });
    this.telemetry = telemetry;
    this.#feedback = new HubFeedback({
      ...{ now, startTimer: startWaitTimer, shelf },
      newLockToken: () => this.#newId(),
    });
    this.registry = new DeviceRegistry({
      now,
      startTimer,
      assumptions,
      shelf,
      randomBytes: this.#randomBytes,
      checkEdge: () => requireStandard(this.quotas.tier, 'IoT Edge'),
      onMessageSettled: (identity, message, outcome) => this.#feedback.add(identity, message, outcome),
    });
    this.#connections = this.#openConnections(telemetry, { startTimer, startWaitTimer, log: options.log });
  }

  /** True for this hub's host name in any case and with any port, and for the names that Azure would give it. */
  answersTo(hostName: string): boolean {
    const asked = withoutPort(hostName);
    const azureNames = ['azure-devices.net', 'device.azure-devices.net', 'service.azure-devices.net'];
    return [this.hostName, ...azureNames.map((suffix) => `${this.name}.${suffix}`)].some(
      (own) => withoutPort(own) === asked,
    );
  }

  /** `HostName=..;SharedAccessKeyName=..;SharedAccessKey=..` with the primary key; holds a secret. @throws {RangeError} */
  connectionString(policyName: string): string {
    const policy = this.#access.policy(policyName);
    if (!policy) throw new RangeError(`hub ${this.name} has no shared access policy '${policyName}'`);
    return `HostName=${this.hostName};SharedAccessKeyName=${policyName};SharedAccessKey=${policy.primaryKey}`;
  }

  /** The hub's CA certificates, all of them at a time; connections that are open stay. */
  setCertificateAuthorities(authorities: readonly HubCertificateAuthority[]): void {
    this.#access.authorities = authorities;
  }

  /** Whether shared access signatures count; connections that are open stay. */
  setLocalAuthentication(localAuthentication: LocalAuthentication): void {
    this.#access.localAuthentication = localAuthentication;
  }

  get localAuthentication(): LocalAuthentication {
    return this.#access.localAuthentication;
  }

  get sharedAccessPolicies(): readonly SharedAccessPolicy[] {
    return this.#access.policies;
  }

  /** All of them at a time; connections that are open stay. */
  setSharedAccessPolicies(policies: readonly SharedAccessPolicy[]): void {
    this.#access.policies = policies;
  }

  /** What became of cloud-to-device messages whose senders asked: the newest 10,000. */
  get feedback(): RecordLog<FeedbackRecord> {
    return this.#feedback.log;
  }

  /** The same, as back ends fetch it: in batches, under a lock. */
  get feedbackEndpoint(): FeedbackEndpoint {
    return this.#feedback.endpoint;
  }

  hasDevice(deviceId: string): boolean {
    return this.registry.get(deviceId) !== undefined;
  }

  /**
   * Takes a device from DPS. A new one gets what came with it (`migrated`), else its initial twin; of one that is here
   * already only the credential changes, unless `migrated` replaces its twin. To reset a device: {@link remove}, then this.
   *
   * @throws {HubError} ArgumentInvalid
   */
  provision(device: ProvisionedDevice, migrated?: DeviceExport): void {
    takeProvisioned(this.registry, device, { migrated, nowMs: this.now() });
  }

  /** What DPS takes along when it moves a device to another hub. */
  exportDevice(deviceId: string): DeviceExport | undefined {
    return exportDevice(this.registry, deviceId);
  }

  /** Deletes a device with its twin and queue and drops its connection; nothing happens where there is none. */
  remove(deviceId: string): void {
    if (this.hasDevice(deviceId)) this.registry.delete(deviceId, 'none');
  }

  /** The twin as the service plane shows it. */
  twinOf(name: ClientName): JsonObject | undefined {
    const client = this.registry.find(name);
    return client && twinJson(client, this.now());
  }

  /**
   * Changes a twin for a back end and tells the device or module if it is connected.
   *
   * @param mode - `patch` merges, `replace` takes the named parts anew
   * @throws {HubError} DeviceNotFound, ModuleNotFound, PreconditionFailed, ArgumentInvalid, OperationNotAvailableInCurrentTier
   */
  updateTwin(
    name: ClientName,
    request: JsonObject,
    options: { mode: 'patch' | 'replace'; precondition: Precondition },
  ): Device | Module {
    requireStandard(this.quotas.tier, 'twins');
    const client = this.registry.requireClient(name);
    checkTwinEtag(options.precondition, twinEtag(client.twin.etagCounter));
    const change = options.mode === 'patch' ? patchTwin : replaceTwin;
    const { twin, desiredPatch } = change(client.twin, request, { nowMs: this.now(), assumptions: this.assumptions });
    client.twin = twin;
    if (desiredPatch) client.session?.notifyDesired(desiredPatch, twin.desired.version);
    return client;
  }

  /** @throws {HubError} DeviceNotFound, ModuleNotFound, DeviceNotOnline, GatewayTimeout, ArgumentInvalid, MessageTooLarge and others */
  async invokeMethod(name: ClientName, request: MethodRequest): Promise<MethodResponse> {
    requireStandard(this.quotas.tier, 'direct methods');
    const call = checkedMethodCall(request);
    const client = this.registry.find(name);
    if (!client) {
      const isModule = typeof name !== 'string' && this.hasDevice(name.deviceId);
      throw new HubError(isModule ? 'ModuleNotFound' : 'DeviceNotFound');
    }
    const session = await this.#connections.whenTakingMethods(client, call.connectTimeoutSeconds * 1000);
    if (!session) throw notOnline(call);
    return session.callMethod(call);
  }

  /**
   * Puts a message into the queue of a device or module; it is delivered when that is connected and subscribed.
   *
   * @returns the message's ID
   * @throws {HubError} DeviceNotFound, ModuleNotFound, DeviceMaximumQueueDepthExceeded, MessageTooLarge, ArgumentInvalid
   */
  sendToDevice(name: ClientName, request: CloudToDeviceRequest): { readonly messageId: string } {
    requireStandard(this.quotas.tier, 'cloud-to-device messages');
    const client = this.registry.requireClient(name);
    const message = queuedMessage(request, {
      sequenceNumber: this.#lastMessage.current + 1,
      nowMs: this.now(),
      newId: () => this.#newId(),
    });
    client.messages.add(message);
    this.#lastMessage.current = message.sequenceNumber;
    client.session?.deliverMessages();
    return { messageId: message.messageId };
  }

  isConnected(name: ClientName): boolean {
    return this.#connections.sessionOf(name) !== undefined;
  }

  /** Resolves with true when the device is connected, with false when the time is over. */
  waitForConnection(name: ClientName, { timeoutMs }: { readonly timeoutMs: number }): Promise<boolean> {
    return this.#connections.whenConnected(name, true, timeoutMs);
  }

  /** Resolves with true when the device is not connected, with false when the time is over. */
  waitForDisconnection(name: ClientName, { timeoutMs }: { readonly timeoutMs: number }): Promise<boolean> {
    return this.#connections.whenConnected(name, false, timeoutMs);
  }

  /** Cuts a device's connection without a word, as a lost network would. Returns false where there is none. */
  dropConnection(name: ClientName): boolean {
    const session = this.#connections.sessionOf(name);
    session?.close('dropped on request');
    return session !== undefined;
  }

  /** Lets a device or module in, or says with which CONNACK code it is refused (MQTT 3.1.1 section 3.2.2.3). */
  connectDevice(name: ClientName, connect: MqttConnect, mqttClient: MqttClient): Promise<DeviceSession | Refused> {
    return this.#connections.connect(name, connect, mqttClient);
  }

  /** What an error body needs: the time and a new tracking ID. */
  errorContext(): ErrorContext {
    return { nowMs: this.now(), trackingId: this.#newId() };
  }

  /** The hub is deleted: every connection ends, waiting readers get nothing more, new connections are refused. */
  close(): void {
    this.#connections.close();
    this.telemetry.close();
    this.feedback.close();
  }

  #openConnections(
    telemetry: TelemetryLog,
    { log = () => undefined, ...timers }: Timers & { readonly log: IotHubOptions['log'] },
  ): HubConnections {
    const { name, now, registry, assumptions, quotas } = this;
    return new HubConnections({
      ...{ name, now, registry, assumptions, quotas, ...timers },
      access: this.#access,
      log: (line) => log(`${name}: ${line}`),
      takeTelemetry: (received) => telemetry.take(received),
      isOwnHost: (hostName) => this.answersTo(hostName),
      errorContext: () => this.errorContext(),
    });
  }

  /** 32 hexadecimal digits. */
  #newId(): string {
    return Buffer.from(this.#randomBytes(16)).toString('hex');
  }
}

function withoutPort(hostName: string): string {
  return hostName.toLowerCase().replace(/:\d+$/, '');
}
