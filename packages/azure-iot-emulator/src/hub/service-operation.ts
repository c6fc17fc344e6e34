import type { Readable } from 'node:stream';
import type { ClientName } from './hub-client.ts';
import type { Meter } from './hub-tier.ts';
import type { JsonValue } from './json.ts';
import type { IotHub } from './iot-hub.ts';
import type { AccessRight } from './shared-access-policy.ts';

/** A call of a hub's service plane that has been let in. */
export interface ServiceRequest {
  readonly hub: IotHub;
  /** Decoded placeholders of the path. */
  readonly params: Readonly<Record<string, string | undefined>>;
  readonly query: Readonly<Record<string, string | undefined>>;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Parsed JSON; undefined where the request has no body. */
  readonly body: JsonValue | undefined;
}

/** What an operation answers. */
export interface ServiceReply {
  readonly status: 200 | 201 | 204 | 400;
  readonly body?: JsonValue;
  /** In place of a body: bytes as they come. */
  readonly stream?: Readable;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One operation of a hub's service plane. */
export interface ServiceOperation {
  readonly method: 'GET' | 'PUT' | 'PATCH' | 'POST' | 'DELETE';
  readonly path: string;
  readonly right: AccessRight;
  /** Shape of its errors: direct methods have their own. Default classic. */
  readonly errors?: 'classic' | 'method';
  /** True for what Azure doesn't have; it needs no api-version. */
  readonly isEmulatorsOwn?: boolean;
  /** Which throttle the call counts against. */
  readonly meter?: Meter;
  /** How much it counts; default 1. */
  readonly amount?: (request: ServiceRequest) => number;
  /** Whether its body counts against the day's messages. Default false. */
  readonly isMessage?: boolean;
  /** What the Basic tier lacks: named in its error. */
  readonly standardOnly?: string;
  readonly handle: (request: ServiceRequest) => ServiceReply | Promise<ServiceReply>;
}

/** The placeholder that most paths have. */
export function deviceIdOf({ params }: ServiceRequest): string {
  return params.deviceId ?? '';
}

/** Both placeholders of a module's path. */
export function moduleNameOf({ params }: ServiceRequest): { readonly deviceId: string; readonly moduleId: string } {
  return { deviceId: params.deviceId ?? '', moduleId: params.moduleId ?? '' };
}

/** Whom a path names: a module where it has that placeholder, else a device. */
export function clientNameOf(request: ServiceRequest): ClientName {
  return request.params.moduleId === undefined ? deviceIdOf(request) : moduleNameOf(request);
}
