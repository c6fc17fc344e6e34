import type { MqttClient, MqttConnect } from '../mqtt/service.ts';
import type { StartTimer } from '../mqtt/timer.ts';
import { ChangeSignal } from './change-signal.ts';
import { admit, type AdmissionHost, type Refused } from './device-admission.ts';
import type { DeviceRegistry } from './device-registry.ts';
import { DeviceSession, type SessionHost } from './device-session.ts';
import type { HubAccess } from './hub-access.ts';
import type { HubAssumptions } from './hub-assumptions.ts';
import type { ClientName, HubClient } from './hub-client.ts';
import type { HubQuotas } from './hub-quotas.ts';

/** Options of {@link HubConnections}. */
export interface HubConnectionsOptions extends Pick<SessionHost, 'takeTelemetry' | 'errorContext' | 'log'> {
  readonly name: string;
  readonly now: () => number;
  readonly startTimer: StartTimer;
  /** Timers of what a user of the emulator waits for. */
  readonly startWaitTimer: StartTimer;
  readonly registry: DeviceRegistry;
  readonly access: HubAccess;
  readonly assumptions: HubAssumptions;
  readonly quotas: HubQuotas;
  readonly isOwnHost: (hostName: string) => boolean;
}

/** The devices and modules that are connected to a hub, and those that want to be. */
export class HubConnections {
  readonly #registry: DeviceRegistry;
  readonly #changes: ChangeSignal;
  readonly #visibleChanges: ChangeSignal;
  readonly #sessionHost: SessionHost;
  readonly #admissionHost: AdmissionHost;
  #isClosed = false;

  constructor(options: HubConnectionsOptions) {
    this.#registry = options.registry;
    this.#changes = new ChangeSignal(options.startTimer);
    this.#visibleChanges = new ChangeSignal(options.startWaitTimer);
    this.#sessionHost = {
      ...options,
      changed: () => {
        this.#changes.changed();
        this.#visibleChanges.changed();
      },
    };
    this.#admissionHost = {
      ...options,
      isClosed: () => this.#isClosed,
    };
  }

  /** Lets a device or module in, or says with which CONNACK code it is refused (MQTT 3.1.1 section 3.2.2.3). */
  async connect(name: ClientName, connect: MqttConnect, mqttClient: MqttClient): Promise<DeviceSession | Refused> {
    const admitted = await admit(this.#admissionHost, name, connect);
    if ('refusal' in admitted) return admitted;
    return new DeviceSession({
      host: this.#sessionHost,
      device: admitted.client,
      client: mqttClient,
      cleanSession: connect.cleanSession,
      will: connect.will,
      authenticationMethod: admitted.method,
      expiresMs: admitted.expiresMs,
    });
  }

  sessionOf(name: ClientName): DeviceSession | undefined {
    return this.#registry.find(name)?.session;
  }

  /** A connection that takes methods, now or within that time by the emulator's clock. */
  whenTakingMethods(client: HubClient, timeoutMs: number): Promise<DeviceSession | undefined> {
    return this.#changes.until(() => (client.session?.takesMethods ? client.session : undefined), timeoutMs);
  }

  /** True when the connection is there, or not there, within that time; else false. */
  async whenConnected(name: ClientName, wanted: boolean, timeoutMs: number): Promise<boolean> {
    const isSo = (): true | undefined => ((this.sessionOf(name) !== undefined) === wanted ? true : undefined);
    return (await this.#visibleChanges.until(isSo, timeoutMs)) ?? false;
  }

  /** Every connection ends, and none begins any more. */
  close(): void {
    this.#isClosed = true;
    for (const client of [...this.#registry.all(), ...this.#registry.allModules()]) {
      client.session?.close('the hub was deleted');
      client.messages.discard();
    }
    this.#changes.close();
    this.#visibleChanges.close();
  }
}
