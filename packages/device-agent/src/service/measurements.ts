import type { ServiceEvent } from './method-calls.ts';

/** Counters, by what they are called without prefix and `_total`. */
export const counters = {
  connects: 'Connections to a hub that were made.',
  retries: 'Waits before another try at DPS or a hub.',
  registrations: 'Registrations that DPS has answered with a hub.',
  telemetry_acknowledged: 'Telemetry messages that the hub has acknowledged.',
  telemetry_dropped: 'Telemetry messages that were dropped, by reason.',
  messages_handled: 'Cloud-to-device messages that the application has handled.',
  messages_given_up: 'Cloud-to-device messages whose handler failed on the last attempt.',
  reported_updates: 'Updates of reported properties that the hub has accepted.',
  handler_failures: "Failures of the application's handlers.",
  errors: 'Failures by code.',
} as const;

/** What one event adds to a counter, or sets a gauge to. */
export type Measurement =
  | { readonly add: keyof typeof counters; readonly labels?: Readonly<Record<string, string>>; readonly count?: number }
  | { readonly observe: 'method_duration'; readonly labels: Readonly<Record<string, string>>; readonly seconds: number }
  | { readonly set: 'connection'; readonly status: string }
  | { readonly set: 'desired_version'; readonly value: number };

/** What an event says in numbers. */
export function measurements(event: ServiceEvent): readonly Measurement[] {
  switch (event.type) {
    case 'status':
      return [
        { set: 'connection', status: event.state.status },
        ...(event.state.status === 'Connected' ? [{ add: 'connects' } as const] : []),
        ...(event.error ? [{ add: 'errors', labels: { code: event.error.code } } as const] : []),
      ];
    case 'retry':
      return [{ add: 'retries' }];
    case 'provisioned':
      return [{ add: 'registrations' }];
    case 'telemetry-acknowledged':
      return [{ add: 'telemetry_acknowledged' }];
    case 'telemetry-dropped':
      return [{ add: 'telemetry_dropped', labels: { reason: event.reason }, count: event.count }];
    case 'message-completed':
      return [{ add: 'messages_handled' }];
    case 'message-given-up':
      return [{ add: 'messages_given_up' }];
    case 'method-called':
      return [
        {
          observe: 'method_duration',
          labels: { method: event.method, status: String(event.status) },
          seconds: event.durationMs / 1_000,
        },
      ];
    case 'reported':
      return [{ add: 'reported_updates' }];
    case 'desired-handled':
      return [{ set: 'desired_version', value: event.version }];
    case 'handler-failed':
      return [{ add: 'handler_failures', labels: { handler: event.handler } }];
    case 'twin-failed':
      return [{ add: 'errors', labels: { code: event.error.code } }];
    default:
      return [];
  }
}
