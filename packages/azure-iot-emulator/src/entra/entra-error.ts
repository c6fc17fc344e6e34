import { randomUUID } from 'node:crypto';

interface EntraErrorKind {
  readonly status: number;
  /** OAuth 2.0 error code, RFC 6749 section 5.2. */
  readonly error: string;
  readonly number: number;
}

/** Entra ID's errors that the emulator gives; numbers from Microsoft's list of AADSTS codes. */
const kinds = {
  unknownTenant: { status: 400, error: 'invalid_request', number: 90002 },
  unknownApplication: { status: 400, error: 'unauthorized_client', number: 700016 },
  wrongSecret: { status: 401, error: 'invalid_client', number: 7000215 },
  unsupportedGrant: { status: 400, error: 'unsupported_grant_type', number: 70003 },
  missingField: { status: 400, error: 'invalid_request', number: 900144 },
  invalidScope: { status: 400, error: 'invalid_scope', number: 1002012 },
  unknownResource: { status: 400, error: 'invalid_resource', number: 500011 },
} satisfies Record<string, EntraErrorKind>;

/** A refusal of the token endpoint, in the shape that Entra ID gives it. */
export class EntraError extends Error {
  readonly kind: EntraErrorKind;

  constructor(kind: keyof typeof kinds, message: string) {
    super(message);
    this.name = 'EntraError';
    this.kind = kinds[kind];
  }

  /** `nowMs` in Unix milliseconds. */
  body(nowMs: number): Record<string, unknown> {
    const traceId = randomUUID();
    const correlationId = randomUUID();
    const timestamp = new Date(nowMs)
      .toISOString()
      .replace('T', ' ')
      .replace(/\.\d+Z$/, 'Z');
    const { error, number } = this.kind;
    return {
      error,
      error_description: `AADSTS${number}: ${this.message} Trace ID: ${traceId} Correlation ID: ${correlationId} Timestamp: ${timestamp}`,
      error_codes: [number],
      timestamp,
      trace_id: traceId,
      correlation_id: correlationId,
      error_uri: `https://login.microsoftonline.com/error?code=${number}`,
    };
  }
}
