import type { CertificateAuthority } from '../authority.ts';
import type { DeviceAllowance } from '../certificate-request.ts';
import type { PkiError } from '../errors.ts';
import type { CertificateRecord } from '../inventory/record.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { KeyAlgorithm } from '../key-algorithm.ts';
import type { IssuedDevice } from './issued-device.ts';

/** A certificate request as an item of a source; the key stays on its device. */
export interface RequestItem {
  /** PEM (`CERTIFICATE REQUEST`) or DER. */
  csr: string | Uint8Array;
  /** The device that it must be for. */
  registrationId?: string;
}

/** How far a run has come. */
export interface IssueProgress {
  issued: number;
  /** Had been delivered before, or are in the source twice. */
  skipped: number;
  refused: number;
  /** Of the whole source, where it was given. */
  total: number | undefined;
  /** Issued a second, since the first one. */
  ratePerSecond: number;
  /** Undefined without `total`. */
  secondsLeft: number | undefined;
}

/** An item of the source that gets no certificate. */
export interface RefusedItem {
  /** Its place in the source, 0 first. */
  index: number;
  /** Undefined where it couldn't be read. */
  registrationId: string | undefined;
  error: PkiError;
}

/** Who takes the devices batch by batch: writes them to disk, seals a bundle, sends them on. */
export interface DeviceReceiver<Device extends IssuedDevice = IssuedDevice> {
  /** When it resolves, the batch is safe with its receiver, and counts as delivered from then on. */
  take(devices: readonly Device[]): Promise<void>;
  /**
   * Asked once, before a run that follows an interrupted one: which of these certificates it has all the same, since the
   * interruption came between its taking them and our writing that down.
   *
   * @returns serial numbers; the others are issued again, with new keys
   */
  has?(undelivered: readonly CertificateRecord[]): Promise<ReadonlySet<string>>;
}

/** What issueMany takes. */
export interface IssueManyOptions<Device extends IssuedDevice = IssuedDevice> {
  line: CertificateAuthority;
  /** Where every certificate is written down before it is handed out. Without one nothing can be resumed, and a device that is in the source twice is issued twice, as is a key. */
  inventory?: Inventory;
  /** Purchase order, ticket or person, for the inventory. Has to be given with one. */
  orderedBy?: string;
  /** This machine's name in the inventory; default: its host name. One run at a time has it. */
  station?: string;
  /** Default 730. Cut to the line authority's validity. */
  validityDays?: number;
  /** Of keys that are made here; default P-256. */
  keyAlgorithm?: KeyAlgorithm;
  /** Of requests: the devices that may have a certificate. Has to be given, unless each item says which device it is for. */
  allow?: DeviceAllowance;
  /** Gets each batch before its devices come out of the iteration. Their keys are wiped then. */
  receiver?: DeviceReceiver<Device>;
  /** Devices whose certificate ends before this moment get a new one, with a new key; default: none. */
  renewEndingBefore?: Date;
  /** Whether devices whose certificate was revoked get a new one; default false. */
  reissueRevoked?: boolean;
  /** Devices that are signed, written down and received together, each time with one fsync; default 500. */
  batchSize?: number;
  /** Worker threads; default: one for each core; 0: all in this thread. For small sources none are started. */
  threads?: number;
  /** Items in the source, for `secondsLeft`. */
  total?: number;
  /** After each batch. */
  onProgress?: (progress: IssueProgress) => void;
  /** Called for every item that can't be issued; the run goes on. Without it, the first such item ends the run. */
  onRefused?: (refused: RefusedItem) => void;
  /** Default: now. */
  now?: () => Date;
}
