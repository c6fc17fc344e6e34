import type { CertificateRecord } from './record.ts';

const columns = [
  'registrationId',
  'generation',
  'serialNumber',
  'state',
  'reason',
  'line',
  'lineKeyIdentifier',
  'station',
  'orderedBy',
  'issuedAt',
  'changedAt',
  'notBefore',
  'notAfter',
  'thumbprintSha1',
  'thumbprintSha256',
  'keyIdentifier',
  'renewedBy',
] as const satisfies readonly (keyof CertificateRecord)[];

/**
 * Records as CSV (RFC 4180: a header, CRLF, quotes where needed; times in ISO 8601, UTC). A record at a time, so that it can
 * be piped into a file however many there are.
 */
export async function* exportCsv(records: AsyncIterable<CertificateRecord>): AsyncGenerator<string> {
  yield `${columns.join()}\r\n`;
  for await (const record of records) yield `${columns.map((column) => toCell(record[column])).join()}\r\n`;
}

/** Records as NDJSON: a JSON object and a newline for each, the columns of exportCsv as keys; what is unknown is left out. */
export async function* exportNdjson(records: AsyncIterable<CertificateRecord>): AsyncGenerator<string> {
  for await (const record of records) yield `${JSON.stringify(record, [...columns])}\n`;
}

function toCell(value: CertificateRecord[(typeof columns)[number]]): string {
  const text = value instanceof Date ? value.toISOString() : String(value ?? '');
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
