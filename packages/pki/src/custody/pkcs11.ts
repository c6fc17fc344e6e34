import type { KeyAlgorithm } from '../key-algorithm.ts';
import type { SigningKey } from '../signing-key.ts';
import { custodyError } from './custody-error.ts';
import { findKey, generateKey, isKeyThere, type KeyName } from './pkcs11-key.ts';
import { openModule, type Pkcs11Module } from './pkcs11-module.ts';
import { openSession, type Session } from './pkcs11-session.ts';

export type { KeyName } from './pkcs11-key.ts';
export type { SigningKey } from '../signing-key.ts';
export type { KeyAlgorithm } from '../key-algorithm.ts';

/** Where a token is, and what opens it. */
export interface Pkcs11Location {
  /** The PKCS#11 library of the HSM's maker, for example `/usr/lib/softhsm/libsofthsm2.so`. */
  modulePath: string;
  /** The token's label; exactly one token has to have it. */
  tokenLabel: string;
  /** The user's PIN. Used once, kept nowhere. */
  pin: string;
}

/** What Pkcs11Token.generateKey takes. */
export interface Pkcs11KeyOptions {
  /** Name of the new key; none of that name may be there. */
  label: string;
  /** CKA_ID in hexadecimal; default: 16 random digits. */
  id?: string;
  /** Default P-256. */
  keyAlgorithm?: KeyAlgorithm;
}

/**
 * Opens a token of a PKCS#11 module (an HSM, a smart card, SoftHSM) with the package `pkcs11js`, and logs in. Close it when
 * it is done.
 *
 * A module is shared by the whole process, and so is a login: a token that is open already is opened a second time whatever
 * the PIN.
 *
 * @throws {PkiError} ERR_PKI_CUSTODY_UNAVAILABLE: pkcs11js isn't installed; no such module; not exactly one such token
 * @throws {PkiError} ERR_PKI_CUSTODY_DENIED: the PIN is wrong, or locked
 * @throws {PkiError} ERR_PKI_CUSTODY_FAILED: the module reports anything else
 */
export async function openPkcs11Token(location: Pkcs11Location): Promise<Pkcs11Token> {
  const module = await openModule(location.modulePath);
  try {
    return new Pkcs11Token(module, openSession(module, location));
  } catch (error) {
    module.close();
    throw error;
  }
}

/** An open token. Its keys sign for as long as it is open. */
export class Pkcs11Token {
  readonly #module: Pkcs11Module;
  readonly #session: Session;

  /** Use openPkcs11Token. */
  constructor(module: Pkcs11Module, session: Session) {
    this.#module = module;
    this.#session = session;
  }

  /**
   * Makes a key pair in the token (P-256, P-384 or RSA) that signs and does nothing else; the private half is sensitive and
   * can't be extracted.
   *
   * @throws {PkiError} ERR_PKI_CUSTODY_KEY_EXISTS: one of that label is there already
   * @throws {PkiError} ERR_PKI_CUSTODY_FAILED, ERR_PKI_KEY_ALGORITHM
   */
  async generateKey(options: Pkcs11KeyOptions): Promise<SigningKey> {
    return this.#session.exclusively(async () => {
      if (isKeyThere(this.#session, { label: options.label })) {
        throw custodyError('ERR_PKI_CUSTODY_KEY_EXISTS', this.#session.name, `has a key "${options.label}" already`);
      }
      return generateKey(this.#session, options);
    });
  }

  /**
   * Finds a key pair by label, by ID, or by both; exactly one has to fit.
   *
   * @throws {PkiError} ERR_PKI_CUSTODY_KEY_MISSING: none, or several, or its public half isn't there
   * @throws {PkiError} ERR_PKI_CUSTODY_FAILED, ERR_PKI_KEY_ALGORITHM
   */
  async openKey(name: KeyName): Promise<SigningKey> {
    return this.#session.exclusively(() => findKey(this.#session, name));
  }

  /** Ends the session, when what is being signed is done. Keys of this token sign no more. Calling it again does nothing. */
  async close(): Promise<void> {
    await this.#session.close();
    this.#module.close();
  }
}
