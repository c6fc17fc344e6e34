import type { Clock } from '../clock.ts';
import type { CheckName, CheckStatus, Diagnosis, DiagnosisCheck } from './diagnosis.ts';
import { failedBy, skipped, type Outcome } from './outcome.ts';

/** A check, and what it stands on. */
export interface CheckSpec<Examination> {
  readonly name: CheckName;
  readonly title: string;
  /** Where one of these has failed, this one is skipped. */
  readonly needs?: readonly CheckName[];
  /** Where all of these have failed, this one is skipped. */
  readonly needsOneOf?: readonly CheckName[];
  run(examination: Examination): Outcome | Promise<Outcome>;
}

export interface CheckRunOptions {
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  readonly onCheck?: ((check: DiagnosisCheck) => void) | undefined;
}

/** Runs the checks one after the other. What a check throws is its failure, but for the signal's reason, which ends the run. */
export async function runChecks<Examination>(
  specs: readonly CheckSpec<Examination>[],
  examination: Examination,
  { clock, signal, onCheck }: CheckRunOptions,
): Promise<Omit<Diagnosis, 'registrationId'>> {
  const start = clock.now();
  const blocked = new Map<CheckName, 'failed' | 'skipped'>();
  const checks: DiagnosisCheck[] = [];
  for (const spec of specs) {
    signal?.throwIfAborted();
    const since = clock.now().getTime();
    const missing = missingFor(spec, blocked);
    const outcome = missing === undefined ? await outcomeOf(spec, examination, signal) : skipped(missing);
    if (missing !== undefined) blocked.set(spec.name, 'skipped');
    else if (outcome.status === 'failed') blocked.set(spec.name, 'failed');
    const check = { name: spec.name, title: spec.title, ...outcome, durationMs: clock.now().getTime() - since };
    checks.push(check);
    onCheck?.(check);
  }
  const counts: Record<CheckStatus, number> = { ok: 0, warning: 0, failed: 0, skipped: 0 };
  for (const { status } of checks) counts[status] += 1;
  return { startedAt: start.toISOString(), durationMs: clock.now().getTime() - start.getTime(), counts, checks };
}

async function outcomeOf<Examination>(
  spec: CheckSpec<Examination>,
  examination: Examination,
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  try {
    return await spec.run(examination);
  } catch (error) {
    signal?.throwIfAborted();
    return failedBy(error);
  }
}

function missingFor<Examination>(
  { needs = [], needsOneOf = [] }: CheckSpec<Examination>,
  blocked: ReadonlyMap<CheckName, 'failed' | 'skipped'>,
): string | undefined {
  const first = needs.find((name) => blocked.has(name));
  if (first !== undefined)
    return `stands on ${first}, which ${blocked.get(first) === 'failed' ? 'failed' : 'was skipped'}`;
  if (needsOneOf.length > 0 && needsOneOf.every((name) => blocked.has(name))) {
    return `stands on one of ${needsOneOf.join(', ')}, none of which is ok`;
  }
  return undefined;
}
