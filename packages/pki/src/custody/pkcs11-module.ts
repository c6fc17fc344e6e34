import { realpath } from 'node:fs/promises';
import type * as Pkcs11Js from 'pkcs11js';
import type { PKCS11 } from 'pkcs11js';
import { custodyError } from './custody-error.ts';
import { fromModule, returnValue } from './pkcs11-error.ts';

/** The names that pkcs11js gives to the standard's numbers, and its class. */
export type Pkcs11Library = typeof Pkcs11Js;

/** A loaded module. */
export interface Pkcs11Module {
  pkcs11: PKCS11;
  library: Pkcs11Library;
  /** How it is called in messages. */
  name: string;
  close(): void;
}

interface Loaded {
  pkcs11: PKCS11;
  users: number;
  /** False where another part of the process (or another thread) had it initialised, and is to finalise it. */
  isOurs: boolean;
}

// PKCS#11 lets a process initialise a module once, however often it is opened.
const loaded = new Map<string, Loaded>();

export async function openModule(modulePath: string): Promise<Pkcs11Module> {
  const name = `The PKCS#11 module ${modulePath}`;
  const library = await importLibrary();
  const path = await realpath(modulePath).catch((cause: unknown) => {
    throw custodyError('ERR_PKI_CUSTODY_UNAVAILABLE', name, "doesn't exist", cause);
  });
  const entry = loaded.get(path) ?? load(path, name, library);
  entry.users += 1;
  loaded.set(path, entry);
  let isOpen = true;
  const close = (): void => {
    if (isOpen) release(path, entry);
    isOpen = false;
  };
  return { pkcs11: entry.pkcs11, library, name, close };
}

async function importLibrary(): Promise<Pkcs11Library> {
  try {
    const imported = (await import('pkcs11js')) as Pkcs11Library & { default?: Pkcs11Library };
    return imported.default ?? imported;
  } catch (cause) {
    throw custodyError(
      'ERR_PKI_CUSTODY_UNAVAILABLE',
      'The package "pkcs11js"',
      "isn't installed, or wasn't built",
      cause,
    );
  }
}

function load(path: string, name: string, library: Pkcs11Library): Loaded {
  const pkcs11 = new library.PKCS11();
  try {
    pkcs11.load(path);
  } catch (cause) {
    throw custodyError('ERR_PKI_CUSTODY_UNAVAILABLE', name, "can't be loaded: it is no PKCS#11 library", cause);
  }
  try {
    // Signatures are made on other threads, so the module has to lock what they share.
    pkcs11.C_Initialize({ flags: library.CKF_OS_LOCKING_OK });
    return { pkcs11, users: 0, isOurs: true };
  } catch (error) {
    if (returnValue(error) === 'CKR_CRYPTOKI_ALREADY_INITIALIZED') return { pkcs11, users: 0, isOurs: false };
    pkcs11.close();
    throw fromModule(error, name, 'starting');
  }
}

function release(path: string, entry: Loaded): void {
  entry.users -= 1;
  if (entry.users > 0) return;
  loaded.delete(path);
  if (entry.isOurs) entry.pkcs11.C_Finalize();
  entry.pkcs11.close();
}
