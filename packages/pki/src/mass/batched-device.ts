import type { CertificateAuthority } from '../authority.ts';
import { encodePem } from '../pem.ts';
import { keyWiped, type IssuedCredential, type IssuedDevice } from './issued-device.ts';
import type { SlotLayout } from './issued-batch.ts';

/** What a batch's devices have in common. */
export interface BatchTerms {
  line: Pick<CertificateAuthority, 'subject' | 'chainPem'>;
  notBefore: Date;
  notAfter: Date;
}

/** Where a device lies: in which slot of a batch. */
export interface BatchPlace {
  /** Of the batch, as a Buffer: making one for each device would be half of all garbage. */
  memory: Buffer;
  layout: SlotLayout;
  index: number;
}

/** Whether a slot holds a certificate: none, where the request's signature was not its own key's. */
export function isIssued({ memory, layout, index }: BatchPlace): boolean {
  return memory[index * layout.length] !== 0;
}

/** One device out of a batch, with octets of its own; what it says of itself is read from them when it is asked for. */
export class BatchedDevice implements IssuedDevice {
  readonly registrationId: string;
  readonly #terms: BatchTerms;
  readonly #layout: SlotLayout;
  readonly #octets: Buffer;

  constructor(registrationId: string, { memory, layout, index }: BatchPlace, terms: BatchTerms) {
    const slot = index * layout.length;
    const length = layout.certificate + memory.readUInt16BE(slot);
    this.registrationId = registrationId;
    this.#terms = terms;
    this.#layout = layout;
    this.#octets = Buffer.allocUnsafe(length);
    memory.copy(this.#octets, 0, slot, slot + length);
  }

  get commonName(): string {
    return this.registrationId;
  }

  get subject(): string {
    return `CN=${this.registrationId}`;
  }

  get issuer(): string {
    return this.#terms.line.subject;
  }

  get notBefore(): Date {
    return this.#terms.notBefore;
  }

  get notAfter(): Date {
    return this.#terms.notAfter;
  }

  get serialNumber(): string {
    const { serial, keyIdentifier } = this.#layout;
    return this.#octets.toString('hex', serial, keyIdentifier);
  }

  get keyIdentifier(): string {
    const { keyIdentifier, key } = this.#layout;
    return this.#octets.toString('hex', keyIdentifier, key);
  }

  get thumbprintSha1(): string {
    const { sha1, sha256 } = this.#layout;
    return this.#octets.toString('hex', sha1, sha256).toUpperCase();
  }

  get thumbprintSha256(): string {
    const { sha256, serial } = this.#layout;
    return this.#octets.toString('hex', sha256, serial).toUpperCase();
  }

  get certificateDer(): Uint8Array {
    return this.#octets.subarray(this.#layout.certificate);
  }

  get certificatePem(): string {
    return encodePem('CERTIFICATE', this.certificateDer);
  }

  get chainPem(): string {
    return this.certificatePem + this.#terms.line.chainPem;
  }

  /** Of length zero where the device has made its key itself. */
  protected get key(): Uint8Array {
    const { key, certificate } = this.#layout;
    return this.#octets.subarray(key, certificate);
  }
}

/** With the key that was made for it. */
export class BatchedCredential extends BatchedDevice implements IssuedCredential {
  #isWiped = false;

  get privateKeyDer(): Uint8Array {
    if (this.#isWiped) throw keyWiped(this.registrationId);
    return this.key;
  }

  get privateKeyPem(): string {
    return encodePem('PRIVATE KEY', this.privateKeyDer);
  }

  wipe(): void {
    this.#isWiped = true;
    this.key.fill(0);
  }
}
