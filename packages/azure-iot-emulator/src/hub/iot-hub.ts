import { randomBytes as systemRandomBytes } from 'node:crypto';
import type { ConnectRefusal, MqttClient, MqttConnect } from '../mqtt/service.ts';
import { startSystemTimer, type StartTimer } from '../mqtt/timer.ts';
import { ChangeSignal } from './change-signal.ts';
import {
  type CloudToDeviceRequest,
  type FeedbackRecord,
  type MessageOutcome,
  queuedMessage,
  type QueuedMessage,
  wantsFeedback,
} from './cloud-to-device.ts';
import { checkAccess } from './device-access.ts';
import type { HubCertificateAuthority } from './device-certificate.ts';
import type { DeviceIdentity } from './device-identity.ts';
import { DeviceRegistry } from './device-registry.ts';
import { DeviceSession, type SessionHost } from './device-session.ts';
import { type Device, twinJson } from './device.ts';
import { checkedMethodCall, type MethodRequest, type MethodResponse, notOnline } from './direct-method.ts';
import { checkTwinEtag, type Precondition, twinEtag } from './entity-tag.ts';
import { type ErrorContext, HubError } from './hub-error.ts';
import type { JsonObject } from './json.ts';
import type { ProvisionedDevice } from './provisioned-device.ts';
import { RecordLog } from './record-log.ts';
import { createDefaultPolicies, type SharedAccessPolicy } from './shared-access-policy.ts';
import { telemetryMessage, type TelemetryMessage, telemetrySize } from './telemetry.ts';
import { createTwin, patchTwin, replaceTwin, type TwinContent } from './twin.ts';

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
  /** Default: node:crypto. */
  readonly randomBytes?: (size: number) => Uint8Array;
  /** Gets one line for each thing that the hub refuses a device. Default: nothing is logged. */
  readonly log?: (line: string) => void;
}

/** What moves from hub to hub when DPS migrates a device's data. */
export interface DeviceExport {
  readonly tags?: JsonObject;
  readonly desired: JsonObject;
  readonly reported: JsonObject;
}

/** Telemetry and feedback that a hub keeps for its readers; the oldest go first. */
const keptTelemetry = { mostRecords: 10_000, mostBytes: 64 * 1024 * 1024 };
const keptFeedback = { mostRecords: 10_000, mostBytes: Infinity };

/** One IoT Hub: identities, twins, methods, messages, and the devices that are connected to it. */
export class IotHub {
  readonly name: string;
  readonly hostName: string;
  readonly sharedAccessPolicies: readonly SharedAccessPolicy[];
  readonly registry: DeviceRegistry;
  /** What devices sent: the newest 10,000 messages of 64 MiB in all at most. */
  readonly telemetry: RecordLog<TelemetryMessage>;
  /** What became of cloud-to-device messages whose senders asked: the newest 10,000. */
  readonly feedback: RecordLog<FeedbackRecord>;
  readonly now: () => number;
  readonly #randomBytes: (size: number) => Uint8Array;
  readonly #changes: ChangeSignal;
  readonly #sessionHost: SessionHost;
  #authorities: readonly HubCertificateAuthority[] = [];
  #lastMessage = 0;
  #isClosed = false;

  constructor(options: IotHubOptions) {
    const { startTimer = startSystemTimer, log = () => undefined } = options;
    this.name = options.name;
    this.hostName = options.hostName;
    this.now = options.now ?? Date.now;
    this.#randomBytes = options.randomBytes ?? systemRandomBytes;
    this.#changes = new ChangeSignal(startTimer);
    this.sharedAccessPolicies = createDefaultPolicies(this.#randomBytes);
    this.telemetry = new RecordLog({ ...keptTelemetry, sizeOf: telemetrySize, startTimer });
    this.feedback = new RecordLog({ ...keptFeedback, sizeOf: () => 0, startTimer });
    this.registry = new DeviceRegistry({
      now: this.now,
      randomBytes: this.#randomBytes,
      onMessageSettled: (identity, message, outcome) => this.#giveFeedback(identity, message, outcome),
    });
    this.#sessionHost = {
      now: this.now,
      startTimer,
      log: (line) => log(`${this.name}: ${line}`),
      takeTelemetry: (received) =>
        this.telemetry.append((sequenceNumber) => telemetryMessage(received, sequenceNumber)),
      changed: () => this.#changes.changed(),
      errorContext: () => this.errorContext(),
    };
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
    const policy = this.sharedAccessPolicies.find(({ name }) => name === policyName);
    if (!policy) throw new RangeError(`hub ${this.name} has no shared access policy '${policyName}'`);
    return `HostName=${this.hostName};SharedAccessKeyName=${policyName};SharedAccessKey=${policy.primaryKey}`;
  }

  /** The hub's CA certificates, all of them at a time; connections that are open stay. */
  setCertificateAuthorities(authorities: readonly HubCertificateAuthority[]): void {
    this.#authorities = authorities;
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
    const request = { authentication: authenticationOf(device), capabilities: device.capabilities ?? null };
    const present = this.registry.get(device.deviceId);
    if (!present) {
      // Comes from an enrollment, which is JSON.
      const initialTwin = device.initialTwin as TwinContent | undefined;
      this.registry.create(device.deviceId, request, migrated ?? initialTwin);
      return;
    }
    this.registry.update(present, request);
    if (migrated) present.twin = createTwin(this.now(), migrated);
  }

  /** What DPS takes along when it moves a device to another hub. */
  exportDevice(deviceId: string): DeviceExport | undefined {
    const twin = this.registry.get(deviceId)?.twin;
    return (
      twin && {
        ...(twin.tags && { tags: twin.tags }),
        desired: twin.desired.properties,
        reported: twin.reported.properties,
      }
    );
  }

  /** Deletes a device with its twin and queue and drops its connection; nothing happens where there is none. */
  remove(deviceId: string): void {
    if (this.hasDevice(deviceId)) this.registry.delete(deviceId, 'none');
  }

  /** The twin as the service plane shows it. */
  twinOf(deviceId: string): JsonObject | undefined {
    const device = this.registry.get(deviceId);
    return device && twinJson(device, this.now());
  }

  /**
   * Changes a twin for a back end and tells the device if it is connected.
   *
   * @param mode - `patch` merges, `replace` takes the named parts anew
   * @throws {HubError} DeviceNotFound, PreconditionFailed, ArgumentInvalid
   */
  updateTwin(
    deviceId: string,
    request: JsonObject,
    options: { mode: 'patch' | 'replace'; precondition: Precondition },
  ): Device {
    const device = this.registry.require(deviceId);
    checkTwinEtag(options.precondition, twinEtag(device.twin.etagCounter));
    const { twin, desiredPatch } = (options.mode === 'patch' ? patchTwin : replaceTwin)(
      device.twin,
      request,
      this.now(),
    );
    device.twin = twin;
    if (desiredPatch) device.session?.notifyDesired(desiredPatch, twin.desired.version);
    return device;
  }

  /** @throws {HubError} DeviceNotFound, DeviceNotOnline, GatewayTimeout, ArgumentInvalid, MessageTooLarge and others */
  async invokeMethod(deviceId: string, request: MethodRequest): Promise<MethodResponse> {
    const call = checkedMethodCall(request);
    const device = this.registry.get(deviceId);
    if (!device) throw new HubError('DeviceNotFound');
    const session = await this.#changes.until(
      () => (device.session?.takesMethods ? device.session : undefined),
      call.connectTimeoutSeconds * 1000,
    );
    if (!session) throw notOnline(call);
    return session.callMethod(call);
  }

  /**
   * Puts a message into a device's queue; it is delivered when the device is connected and subscribed.
   *
   * @returns the message's ID
   * @throws {HubError} DeviceNotFound, DeviceMaximumQueueDepthExceeded, MessageTooLarge, ArgumentInvalid
   */
  sendToDevice(deviceId: string, request: CloudToDeviceRequest): { readonly messageId: string } {
    const device = this.registry.require(deviceId);
    const message = queuedMessage(request, {
      sequenceNumber: this.#lastMessage + 1,
      nowMs: this.now(),
      newId: () => Buffer.from(this.#randomBytes(16)).toString('hex'),
    });
    device.messages.add(message);
    this.#lastMessage = message.sequenceNumber;
    device.session?.deliverMessages();
    return { messageId: message.messageId };
  }

  isConnected(deviceId: string): boolean {
    return this.registry.get(deviceId)?.session !== undefined;
  }

  /** Resolves with true when the device is connected, with false when the time is over. */
  async waitForConnection(deviceId: string, { timeoutMs }: { readonly timeoutMs: number }): Promise<boolean> {
    return (await this.#changes.until(() => this.isConnected(deviceId) || undefined, timeoutMs)) ?? false;
  }

  /** Resolves with true when the device is not connected, with false when the time is over. */
  async waitForDisconnection(deviceId: string, { timeoutMs }: { readonly timeoutMs: number }): Promise<boolean> {
    return (await this.#changes.until(() => !this.isConnected(deviceId) || undefined, timeoutMs)) ?? false;
  }

  /** Cuts a device's connection without a word, as a lost network would. Returns false where there is none. */
  dropConnection(deviceId: string): boolean {
    const session = this.registry.get(deviceId)?.session;
    session?.close('dropped on request');
    return session !== undefined;
  }

  /** Lets a device in, or says with which CONNACK code it is refused (MQTT 3.1.1 section 3.2.2.3). */
  async connectDevice(
    deviceId: string,
    connect: MqttConnect,
    client: MqttClient,
  ): Promise<DeviceSession | { readonly refusal: ConnectRefusal; readonly reason: string }> {
    const device = this.registry.get(deviceId);
    if (!device) return { refusal: 5, reason: `device '${deviceId}' is not registered at hub ${this.name}` };
    const access = await checkAccess({
      identity: device.identity,
      connect,
      authorities: this.#authorities,
      policies: this.sharedAccessPolicies,
      isOwnHost: (hostName) => this.answersTo(hostName),
      nowMs: this.now(),
    });
    if ('problem' in access) return { refusal: 5, reason: `device '${deviceId}': ${access.problem}` };
    // After the check, which takes its time: all of this may have changed meanwhile.
    if (this.#isClosed) return { refusal: 5, reason: `hub ${this.name} is deleted` };
    if (device.identity.status === 'disabled' || this.registry.get(deviceId) !== device) {
      return { refusal: 5, reason: `device '${deviceId}' is disabled or deleted` };
    }
    return new DeviceSession({
      host: this.#sessionHost,
      device,
      client,
      cleanSession: connect.cleanSession,
      will: connect.will,
      authenticationMethod: access.method,
      expiresMs: access.expiresMs,
    });
  }

  /** What an error body needs: the time and a new tracking ID. */
  errorContext(): ErrorContext {
    return { nowMs: this.now(), trackingId: Buffer.from(this.#randomBytes(16)).toString('hex') };
  }

  /** The hub is deleted: every connection ends, waiting readers get nothing more, new connections are refused. */
  close(): void {
    this.#isClosed = true;
    for (const { session } of this.registry.all()) session?.close('the hub was deleted');
    this.#changes.close();
    this.telemetry.close();
    this.feedback.close();
  }

  #giveFeedback(identity: DeviceIdentity, message: QueuedMessage, statusCode: MessageOutcome): void {
    if (!wantsFeedback(message.request.ack, statusCode)) return;
    this.feedback.append((sequenceNumber) => ({
      sequenceNumber,
      originalMessageId: message.messageId,
      enqueuedTimeMs: this.now(),
      statusCode,
      description: statusCode,
      deviceId: identity.deviceId,
      deviceGenerationId: identity.generationId,
    }));
  }
}

function authenticationOf({ thumbprints, symmetricKeys }: ProvisionedDevice): JsonObject {
  if (thumbprints) {
    const { primary, secondary } = thumbprints;
    return { type: 'selfSigned', x509Thumbprint: { primaryThumbprint: primary, secondaryThumbprint: secondary } };
  }
  return {
    type: 'sas',
    ...(symmetricKeys && {
      symmetricKey: { primaryKey: symmetricKeys.primary, secondaryKey: symmetricKeys.secondary },
    }),
  };
}

function withoutPort(hostName: string): string {
  return hostName.toLowerCase().replace(/:\d+$/, '');
}
