import type { PKCS11 } from 'pkcs11js';
import { custodyError } from './custody-error.ts';
import { fromModule, returnValue } from './pkcs11-error.ts';
import type { Pkcs11Library, Pkcs11Module } from './pkcs11-module.ts';

/** A session with one token, logged in. */
export interface Session {
  pkcs11: PKCS11;
  library: Pkcs11Library;
  handle: Buffer;
  /** How the token is called in messages. */
  name: string;
  /** Runs when everything before it is done: a session can do one thing at a time. */
  exclusively<T>(run: () => T | Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export function openSession(module: Pkcs11Module, location: { tokenLabel: string; pin: string }): Session {
  const { pkcs11, library } = module;
  const { tokenLabel, pin } = location;
  if (typeof pin !== 'string') throw new TypeError('pin must be a string.');
  const slot = findSlot(module, tokenLabel);
  const name = `Token "${tokenLabel}"`;
  let handle: Buffer | undefined;
  try {
    handle = pkcs11.C_OpenSession(slot, library.CKF_SERIAL_SESSION | library.CKF_RW_SESSION);
    logIn(pkcs11, library, handle, pin);
  } catch (error) {
    if (handle) pkcs11.C_CloseSession(handle);
    throw fromModule(error, name, 'logging in');
  }
  const closeSession = (): void => pkcs11.C_CloseSession(handle);
  return { pkcs11, library, handle, name, ...oneAtATime(name, closeSession) };
}

function findSlot({ pkcs11, name }: Pkcs11Module, tokenLabel: string): Buffer {
  let tokens;
  try {
    tokens = pkcs11.C_GetSlotList(true).map((slot) => ({ slot, label: pkcs11.C_GetTokenInfo(slot).label.trimEnd() }));
  } catch (error) {
    throw fromModule(error, name, 'listing its tokens');
  }
  const [found, ...more] = tokens.filter(({ label }) => label === tokenLabel);
  if (found && more.length === 0) return found.slot;
  const labels = tokens.map(({ label }) => `"${label}"`).join(', ') || 'none';
  const problem = found
    ? `has ${more.length + 1} tokens "${tokenLabel}"`
    : `has no token "${tokenLabel}" (found: ${labels})`;
  throw custodyError('ERR_PKI_CUSTODY_UNAVAILABLE', name, problem);
}

function logIn(pkcs11: PKCS11, library: Pkcs11Library, handle: Buffer, pin: string): void {
  try {
    pkcs11.C_Login(handle, library.CKU_USER, pin);
  } catch (error) {
    if (returnValue(error) !== 'CKR_USER_ALREADY_LOGGED_IN') throw error;
  }
}

function oneAtATime(name: string, closeSession: () => void): Pick<Session, 'exclusively' | 'close'> {
  let last: Promise<unknown> = Promise.resolve();
  let closed: Promise<void> | undefined;
  const inTurn = <T>(run: () => T | Promise<T>): Promise<T> => {
    const result = last.then(run);
    last = result.catch(() => undefined);
    return result;
  };
  const exclusively = async <T>(run: () => T | Promise<T>): Promise<T> => {
    // A handle must not reach a module that may be gone.
    if (closed) throw custodyError('ERR_PKI_CUSTODY_UNAVAILABLE', name, 'was closed');
    return inTurn(run);
  };
  // The login ends with the last session, and not before: others in this process may need it.
  const close = (): Promise<void> => (closed ??= inTurn(closeSession));
  return { exclusively, close };
}
