import type { ConnectRefusal, MqttClient, MqttConnect, MqttService, MqttSession } from '../mqtt/service.ts';
import type { StartTimer } from '../mqtt/timer.ts';
import type { FaultKind } from './fault.ts';
import type { FaultRegistry, FaultSubject, Hit } from './fault-registry.ts';
import { FaultySession } from './faulty-session.ts';

/** Options of {@link MqttFaults}. */
export interface MqttFaultsOptions {
  readonly faults: FaultRegistry;
  /** Name of the DPS behind an ID scope. */
  readonly dpsOfScope: (idScope: string) => string | undefined;
  readonly now: () => number;
  readonly startTimer: StartTimer;
}

type Answer = MqttSession | { readonly refusal: ConnectRefusal; readonly reason: string };

const hubKinds = ['hubDown', 'failover'] as const;
const connectionKinds = ['drop', 'halfOpen', 'blackHole', 'freeze'] as const;

/** Lets the faults that were asked for happen to MQTT connections: stands between the port and the services. */
export class MqttFaults {
  readonly #options: MqttFaultsOptions;
  readonly #open = new Set<FaultySession>();

  constructor(options: MqttFaultsOptions) {
    this.#options = options;
    options.faults.subscribe((_fault, hit) => {
      this.#meetOpen(hit);
      return undefined;
    });
  }

  wrap(service: MqttService): MqttService {
    return {
      accepts: (username) => service.accepts(username),
      connect: (connect, client) => this.#connect(service, connect, client),
    };
  }

  async #connect(service: MqttService, connect: MqttConnect, client: MqttClient): Promise<Answer> {
    const subject = this.#subjectOf(connect.username);
    const { faults, startTimer } = this.#options;
    const kinds = subject.hub === undefined ? (['dpsDown'] as const) : hubKinds;
    const fatal = faults.meet<FaultKind>([...kinds, ...connectionKinds], subject);
    if (fatal) await hitConnection(fatal, client);
    const late = faults.meet(['delay'], subject);
    if (late) await new Promise<void>((resolve) => startTimer(late.fault.delayMs, resolve));
    const failing = subject.hub !== undefined && faults.meet(['throttle', 'serverError'], subject);
    if (failing) return { refusal: 3, reason: `fault on request: ${failing.fault.kind}` };
    const session = new FaultySession({
      ...this.#options,
      subject,
      client,
      onClosed: () => this.#open.delete(session),
    });
    const answer = await service.connect(connect, session.client);
    if ('refusal' in answer) return answer;
    session.attach(answer);
    this.#open.add(session);
    return session;
  }

  /** What is connected already when a fault begins. */
  #meetOpen(hit: Hit): void {
    for (const session of this.#open) {
      const { subject } = session;
      const kinds: readonly FaultKind[] = [
        ...(subject.hub === undefined ? (['dpsDown'] as const) : hubKinds),
        ...connectionKinds,
      ];
      if (kinds.includes(hit.fault.kind) && this.#options.faults.meetsNow(hit, subject)) {
        void hitConnection(hit, session.client);
      }
    }
  }

  /** `{hub}.azure-devices.../{deviceId}/...` or `{idScope}/registrations/{registrationId}/...`. */
  #subjectOf(username: string): FaultSubject {
    const [first = '', second, third] = username.split('/');
    if (first.includes('.')) return { hub: first.split('.')[0], deviceId: second };
    return { dps: this.#options.dpsOfScope(first), deviceId: third };
  }
}

/** Resolves when the connection may go on. */
function hitConnection({ fault, over }: Hit, client: MqttClient): Promise<void> {
  switch (fault.kind) {
    case 'freeze':
      return over.then(client.freeze());
    case 'blackHole': {
      const end = client.silence();
      return over.then(end);
    }
    case 'halfOpen': {
      const end = client.silence();
      client.close('fault on request: halfOpen');
      return over.then(end);
    }
    default:
      client.close(`fault on request: ${fault.kind}`);
      return Promise.resolve();
  }
}
