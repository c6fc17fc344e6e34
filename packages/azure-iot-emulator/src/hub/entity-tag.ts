import { HubError } from './hub-error.ts';

/**
 * What an `If-Match` header asks for. IoT Hub wants the value in quotes; of an unquoted one it takes no notice on twins
 * (seen in azure-iot-sdk-node issue 606) and refuses it on identities (seen in azure-iot-sdk-java issue 292).
 */
export type Precondition = 'none' | 'any' | 'unquoted' | { readonly etag: string };

/** Reads an `If-Match` header: `*`, `"*"` or `"etag"`, with or without `W/`. */
export function parseIfMatch(header: string | undefined): Precondition {
  if (header === undefined || header === '') return 'none';
  const value = header.replace(/^W\//, '');
  if (value === '*' || value === '"*"') return 'any';
  const quoted = /^"(.*)"$/.exec(value)?.[1];
  return quoted === undefined ? 'unquoted' : { etag: quoted };
}

/** @throws {HubError} PreconditionFailed where `etag` isn't what an identity's change asks for. */
export function checkIdentityEtag(precondition: Precondition, etag: string): void {
  if (precondition === 'none' || precondition === 'any') return;
  if (precondition === 'unquoted' || precondition.etag !== etag) throw new HubError('PreconditionFailed');
}

/** @throws {HubError} PreconditionFailed where `etag` isn't what a twin's change asks for. */
export function checkTwinEtag(precondition: Precondition, etag: string): void {
  if (typeof precondition === 'object' && precondition.etag !== etag) throw new HubError('PreconditionFailed');
}

/** Base64 of a decimal number, the shape of an identity's etag in captures. */
export function identityEtag(value: number): string {
  return Buffer.from(String(value)).toString('base64');
}

/** Base64 of an eight-byte big-endian counter, the shape of a twin's etag; 1 gives `AAAAAAAAAAE=`. */
export function twinEtag(counter: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(counter));
  return bytes.toString('base64');
}
