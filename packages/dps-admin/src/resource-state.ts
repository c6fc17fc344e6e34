import { setTimeout } from 'node:timers/promises';
import { DpsAdminError } from './errors.ts';

/** How long a resource may take to become active: hubs took up to four minutes in recorded traffic. */
const longestActivationMs = 15 * 60_000;

interface Watch<Resource> {
  /** How errors name it: `Hub 'contoso-hub'`. */
  readonly title: string;
  readonly read: () => Promise<Resource | undefined>;
  readonly pollIntervalMs: number;
}

/**
 * Looks at a resource until it is active.
 *
 * @throws {DpsAdminError} ERR_NOT_ACTIVE: it is in a state that does not end by itself, it went away, or 15 minutes were not enough
 */
export async function waitUntilActive<Resource extends { readonly state: string }>(
  first: Resource,
  { title, read, pollIntervalMs }: Watch<Resource>,
): Promise<Resource> {
  let looksLeft = Math.ceil(longestActivationMs / Math.max(1, pollIntervalMs));
  let current: Resource | undefined = first;
  while (current !== undefined && endsActive(current.state) && looksLeft > 0) {
    await setTimeout(pollIntervalMs);
    looksLeft -= 1;
    current = await read();
  }
  checkIsActive(title, current?.state ?? 'Deleted');
  return current ?? first;
}

/** True for states that end in `Active` by themselves. */
export function endsActive(state: string): boolean {
  return ['Activating', 'Transitioning', 'Resuming', 'FailingOver'].includes(state);
}

/** @throws {DpsAdminError} ERR_NOT_ACTIVE */
export function checkIsActive(title: string, state: string): void {
  if (state === 'Active') return;
  const endsByItself = endsActive(state);
  throw new DpsAdminError(
    'ERR_NOT_ACTIVE',
    `${title} is ${state}, not Active. ${endsByItself ? 'Azure is still at it: run again in a minute or two.' : 'Look at it in the Azure portal; it may have to be deleted and made anew.'}`,
    { advice: endsByItself ? 'retry' : 'fix-azure' },
  );
}
