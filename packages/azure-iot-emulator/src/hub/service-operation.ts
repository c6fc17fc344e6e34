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
  readonly status: 200 | 201 | 204;
  readonly body?: JsonValue;
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
  readonly handle: (request: ServiceRequest) => ServiceReply | Promise<ServiceReply>;
}

/** The one placeholder that most paths have. */
export function deviceIdOf({ params }: ServiceRequest): string {
  return params.deviceId ?? '';
}
