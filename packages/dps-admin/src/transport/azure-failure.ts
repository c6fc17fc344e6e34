import { asRecord } from './json-value.ts';
import type { JsonRecord } from './json-value.ts';

/** What an error answer of Azure says, whichever of its forms it has. */
export interface AzureFailure {
  readonly azureCode?: string;
  readonly text?: string;
  readonly trackingId?: string;
  readonly retryAfterMs?: number;
}

/**
 * Reads the error forms of Azure's planes:
 * the Devices provider's flat `{"code":404015,"httpStatusCode","message"}`, Resource Manager's `{"error":{"code","message"}}`, DPS's
 * `{"errorCode":404204,"trackingId","message"}`, the hub's `{"Message":"ErrorCode:Name;text","ExceptionMessage":"Tracking ID:.."}`
 * and the hub's newer `{"Message":"{\"errorCode\":404001,..}"}`.
 */
export function readAzureFailure(header: (name: string) => string | undefined, body: string | undefined): AzureFailure {
  const said = readBody(body);
  const azureCode = said.azureCode ?? header('iothub-errorcode') ?? header('x-ms-error-code');
  const trackingId = said.trackingId ?? header('x-ms-request-id') ?? header('x-ms-correlation-request-id');
  const retryAfterMs = readRetryAfter(header('retry-after'), Date.now());
  return {
    ...(azureCode === undefined ? {} : { azureCode }),
    ...(said.text === undefined ? {} : { text: said.text }),
    ...(trackingId === undefined ? {} : { trackingId }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

/** `Retry-After` of RFC 9110 section 10.2.3: whole seconds or a date. */
export function readRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value.trim())) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

function readBody(body: string | undefined): AzureFailure {
  const value = parseRecord(body);
  if (value === undefined) return {};
  const error = asRecord(value.error);
  if (error !== undefined) return failure(error.code, error.message);
  if (typeof value.Message === 'string') return readHubFailure(value.Message, value.ExceptionMessage);
  return failure(value.errorCode ?? value.code, value.message, value.trackingId);
}

function readHubFailure(message: string, exceptionMessage: unknown): AzureFailure {
  const inner = parseRecord(message);
  if (inner !== undefined) return failure(inner.errorCode, inner.message, inner.trackingId);
  const [, code, text] = /^ErrorCode:([^;]*);?(.*)$/s.exec(message) ?? [undefined, undefined, message];
  const trackingId =
    typeof exceptionMessage === 'string' ? /Tracking ID:\s*(.*\S)/.exec(exceptionMessage)?.[1] : undefined;
  return failure(code, text, trackingId);
}

function failure(code: unknown, message: unknown, trackingId?: unknown): AzureFailure {
  const text = typeof message === 'string' && message !== '' ? message : undefined;
  const tracking =
    typeof trackingId === 'string' && trackingId !== ''
      ? trackingId
      : text === undefined
        ? undefined
        : /correlation identifier: ([0-9a-f-]{36})/i.exec(text)?.[1];
  return {
    ...(typeof code === 'number' || (typeof code === 'string' && code !== '') ? { azureCode: String(code) } : {}),
    ...(text === undefined ? {} : { text: withoutSupportNotice(text) }),
    ...(tracking === undefined ? {} : { trackingId: tracking }),
  };
}

/** The provider's advice to call support stands in every message; its identifier is kept as tracking ID instead. */
function withoutSupportNotice(text: string): string {
  return text.replace(/\s*If you contact a support representative.*$/s, '').trim();
}

function parseRecord(text: string | undefined): JsonRecord | undefined {
  if (text?.trimStart().startsWith('{') !== true) return undefined;
  try {
    return asRecord(JSON.parse(text));
  } catch {
    return undefined;
  }
}
