import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { DpsError } from '../dps/dps-error.ts';
import { findPlane, type PlaneName } from '../host-dispatch.ts';
import { classicErrorBody, HubError } from '../hub/hub-error.ts';
import type { StartTimer } from '../mqtt/timer.ts';
import { plainText } from '../plain-text.ts';
import type { FaultKind } from './fault.ts';
import type { FaultRegistry, FaultSubject, Hit } from './fault-registry.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Options of {@link withHttpFaults}. */
export interface HttpFaultsOptions {
  readonly faults: FaultRegistry;
  /** Name of the DPS behind an ID scope. */
  readonly dpsOfScope: (idScope: string) => string | undefined;
  readonly now: () => number;
  readonly startTimer: StartTimer;
  /** Gets one line for each request that a fault meets. */
  readonly log: (line: string) => void;
}

/** Lets the faults that were asked for happen to HTTP requests; the emulator's own interface is spared. */
export function withHttpFaults(handle: Handler, options: HttpFaultsOptions): Handler {
  return (request, response) => {
    const plane = findPlane(request.headers.host ?? '', request.url ?? '/');
    if (plane === undefined || options.faults.isQuiet) handle(request, response);
    else meet({ plane, request, response, options, go: () => handle(request, response) });
  };
}

interface Exchange {
  readonly plane: PlaneName;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly options: HttpFaultsOptions;
  readonly go: () => void;
}

function meet(exchange: Exchange): void {
  const { plane, request, response, options, go } = exchange;
  const { faults, startTimer } = options;
  const subject = subjectOf(exchange);
  const tell = ({ fault }: { readonly fault: { readonly kind: FaultKind } }): void =>
    options.log(`fault on request: ${fault.kind}: ${request.method ?? ''} ${plainText(request.url ?? '')}`);
  const downKinds = plane === 'hub' ? (['hubDown', 'failover'] as const) : isDps(plane) ? (['dpsDown'] as const) : [];
  const fatal = faults.meet<FaultKind>([...downKinds, 'drop', 'halfOpen'], subject);
  if (fatal) {
    tell(fatal);
    request.socket.destroy();
    return;
  }
  const silent = faults.meet(['blackHole', 'freeze'], subject);
  if (silent) {
    tell(silent);
    void silent.over.then(() => (silent.fault.kind === 'freeze' ? go() : request.socket.destroy()));
    return;
  }
  const failing = faults.meet(['throttle', 'serverError'], subject);
  if (failing) {
    tell(failing);
    answer(exchange, failing);
    return;
  }
  if (plane === 'hub' && /\/(?:devicebound|events)(?:[/?]|$)/i.test(request.url ?? '')) {
    const used = faults.meet(['quotaExceeded'], subject);
    if (used) {
      tell(used);
      send(
        response,
        403,
        hubBody(
          exchange,
          new HubError('IotHubQuotaExceeded', { text: 'Total number of messages exceeded the allocated quota' }),
        ),
      );
      return;
    }
  }
  const late = faults.meet(['delay'], subject);
  if (late) startTimer(late.fault.delayMs, go);
  else go();
}

function isDps(plane: PlaneName): boolean {
  return plane === 'provisioningService' || plane === 'provisioningDevice';
}

function subjectOf({ plane, request, options }: Exchange): FaultSubject {
  const name = (request.headers.host ?? '').split('.')[0];
  const path = decoded((request.url ?? '').split('?')[0] ?? '');
  if (plane === 'hub') {
    return { hub: name, deviceId: /^\/(?:devices|twins)\/([^/]+)/i.exec(path)?.[1] };
  }
  if (plane === 'provisioningDevice') {
    const [, idScope = '', deviceId] = /^\/([^/]+)\/registrations\/([^/]+)/i.exec(path) ?? [];
    return { dps: options.dpsOfScope(idScope), deviceId };
  }
  if (plane === 'provisioningService')
    return { dps: name, deviceId: /^\/(?:enrollments|registrations)\/([^/]+)/i.exec(path)?.[1] };
  return {};
}

/** As it is where an escape is malformed: what serves the request says so. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function answer(exchange: Exchange, { fault }: Hit<'throttle' | 'serverError'>): void {
  const { plane, response, options } = exchange;
  const status = fault.kind === 'throttle' ? 429 : (fault.status ?? 500);
  const retryAfter = fault.retryAfterSeconds ?? (fault.kind === 'throttle' ? 5 : undefined);
  if (retryAfter !== undefined) response.setHeader('Retry-After', String(retryAfter));
  const isThrottled = status === 429;
  const message = isThrottled ? 'Operation was throttled. Retry later.' : 'The service has failed on request.';
  if (plane === 'hub') {
    const error = new HubError(isThrottled ? 'ThrottlingException' : 'ServerError', { text: message });
    send(response, status, hubBody(exchange, error));
  } else if (isDps(plane)) {
    send(response, status, dpsFailureBody(status, message, options.now()));
  } else {
    send(response, status, { error: { code: isThrottled ? 'TooManyRequests' : 'InternalServerError', message } });
  }
}

/** The envelope of DPS's errors; of other numbers than 429001 only the first three digits are known. */
export function dpsFailureBody(status: number, message: string, nowMs: number): object {
  return {
    ...new DpsError('tooManyRequests', message).body(nowMs),
    errorCode: status * 1000 + (status === 429 ? 1 : 0),
  };
}

function hubBody({ options }: Exchange, error: HubError): object {
  return classicErrorBody(error, { nowMs: options.now(), trackingId: randomUUID().replaceAll('-', '') });
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify(body));
}
