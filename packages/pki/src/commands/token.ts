import type { Command } from 'commander';
import { openPkcs11Token, type Pkcs11Token } from '../custody/pkcs11.ts';
import { addPasswordOption, readPassword } from './password.ts';
import { UsageError } from './usage-error.ts';

/** Options that name a token (HSM) with an authority's key in it. */
export interface TokenFlags {
  pkcs11Module?: string;
  pkcs11Token?: string;
  pkcs11KeyLabel?: string;
  pkcs11PinFile?: string;
}

/** @param whose - whose key is in the token */
export function addTokenOptions(command: Command, whose: string): Command {
  command
    .option('--pkcs11-module <file>', `library of the HSM that holds ${whose} key; without it, the key is in a file`)
    .option('--pkcs11-token <label>', "the token's label")
    .option('--pkcs11-key-label <label>', "the key's label in the token (default: the name of the authority's files)");
  return addPasswordOption(command, 'token', 'of the token');
}

export function isInToken({ pkcs11Module, pkcs11Token, pkcs11KeyLabel, pkcs11PinFile }: TokenFlags): boolean {
  if (pkcs11Module !== undefined && pkcs11Token !== undefined) return true;
  if ([pkcs11Module, pkcs11Token, pkcs11KeyLabel, pkcs11PinFile].every((flag) => flag === undefined)) return false;
  throw new UsageError('A key in a token needs both --pkcs11-module and --pkcs11-token.');
}

/** Opens the token that the options name for as long as the work takes. */
export async function withToken<T>(flags: TokenFlags, work: (token: Pkcs11Token) => Promise<T>): Promise<T> {
  const { pkcs11Module: modulePath = '', pkcs11Token: tokenLabel = '', pkcs11PinFile: file } = flags;
  const pin = await readPassword({ name: 'token', label: `token "${tokenLabel}"`, file, isNew: false });
  const token = await openPkcs11Token({ modulePath, tokenLabel, pin });
  try {
    return await work(token);
  } finally {
    await token.close();
  }
}
