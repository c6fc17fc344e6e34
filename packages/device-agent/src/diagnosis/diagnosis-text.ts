import type { CheckStatus, Diagnosis } from './diagnosis.ts';

const words: Readonly<Record<CheckStatus, string>> = {
  ok: 'ok',
  warning: 'warning',
  failed: 'FAILED',
  skipped: 'skipped',
};

const indent = ' '.repeat(10);

/** A diagnosis for people: a line for each check, its fix below it, and the counts at the end. Ends without a line break. */
export function formatDiagnosis(diagnosis: Diagnosis): string {
  const lines = diagnosis.checks.flatMap(({ status, title, detail, fix }) => [
    `${words[status].padEnd(indent.length)}${title}: ${detail}`,
    ...(fix === undefined ? [] : [`${indent}-> ${fix}`]),
  ]);
  const { counts } = diagnosis;
  const whose = diagnosis.registrationId === undefined ? '' : ` of ${diagnosis.registrationId}`;
  return [
    `Diagnosis${whose} at ${diagnosis.startedAt}`,
    ...lines,
    `${counts.failed} failed, ${counts.warning} warnings, ${counts.ok} ok, ${counts.skipped} skipped`,
  ]
    .map(printable)
    .join('\n');
}

/** Names in certificates and answers of servers are other people's text: no control characters of theirs reach a terminal. */
function printable(line: string): string {
  return line.replaceAll(/\p{Cc}/gu, '?');
}
