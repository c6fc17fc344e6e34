import type { AgentEvent } from '../agent/agent-options.ts';
import type { DeviceAgentError } from '../errors.ts';
import type { CertificateFacts } from '../network/certificate-facts.ts';

/** Counters, by what they are called without prefix and `_total`, and the labels that they have. */
export const counters = {
  connects: { help: 'Connections to a hub that were made.', labels: [] },
  transitions: { help: "Steps of the agent's life, from one phase to another.", labels: ['from', 'to'] },
  retries: { help: 'Waits before another try at DPS or a hub.', labels: [] },
  registrations: { help: 'Registrations that DPS has answered with a hub.', labels: [] },
  telemetry_acknowledged: { help: 'Telemetry messages that the hub has acknowledged.', labels: [] },
  telemetry_dropped: { help: 'Telemetry messages that were dropped, by reason.', labels: ['reason'] },
  messages_handled: { help: 'Cloud-to-device messages that the application has handled.', labels: [] },
  messages_given_up: { help: 'Cloud-to-device messages whose handler failed on the last attempt.', labels: [] },
  reported_updates: { help: 'Updates of reported properties that the hub has accepted.', labels: [] },
  handler_failures: { help: "Failures of the application's handlers.", labels: ['handler'] },
  certificate_renewals: { help: 'New certificates that were proved and taken into use.', labels: [] },
  renewal_failures: {
    help: 'Attempts at a new certificate that failed, by the step they failed at.',
    labels: ['step'],
  },
  credentials_refused: { help: 'Certificates that DPS or hub refused, so that another one was taken.', labels: [] },
  errors: { help: 'Failures by code.', labels: ['code'] },
} as const;

/** Gauges, by what they are called without prefix. */
export const gauges = {
  desired_properties_version: 'Version of the desired properties that were handled last.',
  certificate_expiry_timestamp_seconds: 'Unix time when the certificate in use expires.',
} as const;

/** Gauges that are 1 for the state there is and 0 for the others. */
export const stateGauges = {
  connection_status: ['Connected', 'DisconnectedRetrying', 'Disconnected', 'Closed'],
  phase: ['stopped', 'waiting', 'registering', 'connecting', 'connected'],
} as const;

type State = { readonly [Name in keyof typeof stateGauges]: readonly [Name, (typeof stateGauges)[Name][number]] };

/** What one event adds to a counter, observes of a duration, or sets a gauge to. */
export type Measurement =
  | { readonly add: keyof typeof counters; readonly labels?: Readonly<Record<string, string>>; readonly count?: number }
  | { readonly observe: 'method_duration'; readonly labels: Readonly<Record<string, string>>; readonly seconds: number }
  | { readonly set: keyof typeof gauges; readonly value: number }
  | { readonly state: State[keyof State] };

/** What an event says in numbers. */
export function measurements(event: AgentEvent): readonly Measurement[] {
  switch (event.type) {
    case 'status':
      return [
        { state: ['connection_status', event.state.status] },
        ...(event.state.status === 'Connected' ? [{ add: 'connects' } as const] : []),
        ...(event.error ? [{ add: 'errors', labels: { code: event.error.code } } as const] : []),
      ];
    case 'transition':
      return [{ state: ['phase', event.to] }, { add: 'transitions', labels: { from: event.from, to: event.to } }];
    case 'connecting':
      return [expiry(event.certificate)];
    case 'retry':
      return [{ add: 'retries' }];
    case 'provisioned':
      return [{ add: 'registrations' }];
    case 'telemetry-dropped':
      return [{ add: 'telemetry_dropped', labels: { reason: event.reason }, count: event.count }];
    case 'telemetry-acknowledged':
      return [{ add: 'telemetry_acknowledged' }];
    case 'message-completed':
      return [{ add: 'messages_handled' }];
    case 'message-given-up':
      return [{ add: 'messages_given_up' }];
    case 'method-called':
      return [{ observe: 'method_duration', labels: methodLabels(event), seconds: event.durationMs / 1_000 }];
    case 'reported':
      return [{ add: 'reported_updates' }];
    case 'desired-handled':
      return [{ set: 'desired_properties_version', value: event.version }];
    case 'handler-failed':
      return [{ add: 'handler_failures', labels: { handler: event.handler } }];
    case 'certificate-renewed':
      return [{ add: 'certificate_renewals' }, expiry(event.certificate)];
    case 'credential-refused':
      return [{ add: 'credentials_refused' }, expiry(event.next)];
    case 'renewal-failed':
      return [{ add: 'renewal_failures', labels: { step: event.step } }, failure(event)];
    case 'move-refused':
    case 'credential-damaged':
    case 'twin-failed':
      return [failure(event)];
    default:
      return [];
  }
}

/** What callers make up must not become a series each. */
function methodLabels({ method, status }: { readonly method: string; readonly status: number }) {
  return { method: status === 404 ? '' : method, status: String(status) };
}

const expiry = ({ notAfter }: Pick<CertificateFacts, 'notAfter'>): Measurement => ({
  set: 'certificate_expiry_timestamp_seconds',
  value: Date.parse(notAfter) / 1_000,
});

const failure = ({ error: { code } }: { readonly error: DeviceAgentError }): Measurement => ({
  add: 'errors',
  labels: { code },
});
