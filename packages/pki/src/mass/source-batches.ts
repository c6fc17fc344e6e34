import { createHash } from 'node:crypto';
import { checkAllowed, checkExpected, checkSomeoneIsMeant, type DeviceAllowance } from '../certificate-request.ts';
import { PkiError } from '../errors.ts';
import { keyIdentifier } from '../key-identifier.ts';
import { decodePem } from '../pem.ts';
import { checkRegistrationId } from '../registration-id.ts';
import { readRequest } from '../request-signature.ts';
import type { CertificateRecord } from '../inventory/record.ts';
import type { RefusedItem, RequestItem } from './mass-order.ts';
import { findRequestFields, type RequestFields } from './request-fields.ts';

/** What somebody may want to have issued: a registration ID, or a device's own request. */
export type SourceItem = string | RequestItem;

/** A device on its way through a run. */
export interface PlannedDevice {
  /** Place in the source. */
  index: number;
  registrationId: string;
  /** The certificate that the new one takes the place of. */
  replaces: CertificateRecord | undefined;
  request: PlannedRequest | undefined;
}

/** A request of the common kind, whose signature a batch's worker checks, or one that has been checked. */
export type PlannedRequest =
  | { kind: 'common'; csr: RequestItem['csr']; der: Uint8Array; fields: RequestFields }
  | { kind: 'checked'; publicKeyDer: Uint8Array };

/** What reading a source needs. */
export interface SourceReading {
  batchSize: number;
  allow: DeviceAllowance | undefined;
  /** Whether the common kind goes to the workers. */
  withTemplate: boolean;
  onRefused: (refused: RefusedItem) => void;
}

/** Reads a source in batches; what can't be issued is refused item by item. Stops reading when the caller stops asking. */
export async function* readBatches(
  source: Iterable<SourceItem> | AsyncIterable<SourceItem>,
  reading: SourceReading,
): AsyncGenerator<PlannedDevice[]> {
  // Waiting for each of a million items that are there already would cost as much as everything else in this thread.
  const atOnce = Symbol.iterator in source ? source[Symbol.iterator]() : undefined;
  const items = atOnce ?? (source as AsyncIterable<SourceItem>)[Symbol.asyncIterator]();
  let hasEnded = false;
  let batch: PlannedDevice[] = [];
  try {
    for (let index = 0; ; index += 1) {
      const next: IteratorResult<SourceItem, unknown> = atOnce ? atOnce.next() : await items.next();
      if (next.done) break;
      const item = next.value;
      const planned =
        typeof item === 'string' ? readId(item, index, reading) : await readRequestItem(item, index, reading);
      if (planned) batch.push(planned);
      if (batch.length < reading.batchSize) continue;
      yield batch;
      batch = [];
    }
    hasEnded = true;
    if (batch.length > 0) yield batch;
  } finally {
    if (!hasEnded) await items.return?.();
  }
}

/** Of the key that a request carries, where there is a request. */
export function keyIdentifierOf({ request }: PlannedDevice): string | undefined {
  if (!request) return undefined;
  if (request.kind === 'checked') return keyIdentifier(request.publicKeyDer);
  const { der, fields } = request;
  return createHash('sha1')
    .update(der.subarray(fields.point, fields.point + 65))
    .digest('hex');
}

function readId(registrationId: string, index: number, reading: SourceReading): PlannedDevice | undefined {
  try {
    checkRegistrationId(registrationId);
    return { index, registrationId, replaces: undefined, request: undefined };
  } catch (error) {
    refuse({ index, registrationId, error }, reading);
    return undefined;
  }
}

async function readRequestItem(
  item: RequestItem,
  index: number,
  reading: SourceReading,
): Promise<PlannedDevice | undefined> {
  if (typeof item !== 'object' || (item as unknown) === null) {
    throw new TypeError('An item of the source must be a registration ID or an object with a csr.');
  }
  const { csr, registrationId: expected } = item;
  checkSomeoneIsMeant(expected, reading.allow);
  let registrationId = expected;
  const checkName = async (commonName: string): Promise<void> => {
    registrationId = commonName;
    checkExpected(commonName, expected);
    checkRegistrationId(commonName);
    if (reading.allow !== undefined) await checkAllowed(commonName, reading.allow);
  };
  try {
    return { index, replaces: undefined, ...(await readCsr(csr, checkName, reading.withTemplate)) };
  } catch (error) {
    refuse({ index, registrationId, error }, reading);
    return undefined;
  }
}

/** Wrong data is the item's trouble, anything else is the run's. */
function refuse(refused: Omit<RefusedItem, 'error'> & { error: unknown }, { onRefused }: SourceReading): void {
  const { error } = refused;
  if (!(error instanceof PkiError)) throw error;
  onRefused({ ...refused, error });
}

async function readCsr(
  csr: string | Uint8Array,
  checkName: (commonName: string) => Promise<void>,
  withTemplate: boolean,
): Promise<Pick<PlannedDevice, 'registrationId' | 'request'>> {
  const der =
    typeof csr === 'string' ? decodePem(csr).find(({ label }) => label.endsWith('CERTIFICATE REQUEST'))?.der : csr;
  const fields = withTemplate && der instanceof Uint8Array ? findRequestFields(der) : undefined;
  if (der && fields) {
    await checkName(fields.commonName);
    return { registrationId: fields.commonName, request: { kind: 'common', csr, der, fields } };
  }
  const { commonName, publicKeyDer } = await readRequest(csr, checkName);
  return { registrationId: commonName, request: { kind: 'checked', publicKeyDer } };
}
