import { ConnectionError, reasonOf } from '../network/connection-error.ts';
import { DeviceAgentError } from '../errors.ts';

/** What a check says; the rest of a `DiagnosisCheck` is known without it. */
export type Outcome =
  | { readonly status: 'ok' | 'skipped'; readonly detail: string }
  | { readonly status: 'warning' | 'failed'; readonly detail: string; readonly fix: string };

export const ok = (detail: string): Outcome => ({ status: 'ok', detail });
export const skipped = (detail: string): Outcome => ({ status: 'skipped', detail });
export const warning = (detail: string, fix: string): Outcome => ({ status: 'warning', detail, fix });
export const failed = (detail: string, fix: string): Outcome => ({ status: 'failed', detail, fix });

/** A failure in its own words; its advice is the fix. */
export function failedBy(error: unknown): Outcome {
  if (error instanceof ConnectionError) return failed(error.detail, error.advice);
  if (error instanceof DeviceAgentError && error.advice !== '') {
    return failed(error.message.slice(0, error.message.length - error.advice.length).trim(), error.advice);
  }
  return failed(reasonOf(error), 'Mend what it names, and run the diagnosis again.');
}
