import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { openAuthority } from '../authority.ts';
import { authorityPaths } from '../authority-files.ts';
import { createAuthorityRequest, signAuthorityRequest } from '../authority-request.ts';
import { verifyChain } from '../chain-verification.ts';
import { encryptPrivateKey } from '../encrypted-private-key.ts';
import { checkNothingThere, readWholeFile, writeFileSet, type FileContent } from '../file-set.ts';
import type { KeyAlgorithm } from '../key-algorithm.ts';
import { withAuthority, withKey, withNewKey, type AuthorityPlace } from './authority-key.ts';
import { rootName, type CommandContext, type FolderFlags, type InventoryFlags } from './context.ts';
import { recordLine } from './line-record.ts';
import type { TokenFlags } from './token.ts';
import { UsageError } from './usage-error.ts';

/** Options that take a line's certificate over three walks, so that the root's machine never meets a network. */
export interface CeremonyFlags extends InventoryFlags, TokenFlags {
  days: number;
  keyAlgorithm: KeyAlgorithm;
  request?: true;
  sign?: string;
  import?: string;
  trustedRoot?: string;
  rootPasswordFile?: string;
  linePasswordFile?: string;
}

export function addCeremonyOptions(command: Command): Command {
  return command
    .option('--request', "on the line's machine: make its key and a request for the offline root")
    .option('--sign <csr>', "on the root's machine: sign that request")
    .option('--import <chain>', "on the line's machine again: take the certificate; needs --trusted-root")
    .option('--trusted-root <file>', 'certificate of the root, its thumbprint compared by another way');
}

/** The ceremony's step that the options name, or undefined where they name none. */
export function ceremonyStep(
  context: CommandContext,
  lineName: string,
  flags: CeremonyFlags,
): Promise<void> | undefined {
  const named = [flags.request, flags.sign, flags.import].filter((flag) => flag !== undefined);
  if (named.length > 1) throw new UsageError('Give one of --request, --sign and --import: each is a walk of its own.');
  if (flags.request) return request(context, lineName, flags);
  if (flags.sign !== undefined) return sign(context, lineName, { ...flags, sign: flags.sign });
  if (flags.import !== undefined) return take(context, lineName, { ...flags, import: flags.import });
  return undefined;
}

async function request({ output }: CommandContext, lineName: string, flags: CeremonyFlags): Promise<void> {
  const { folder, keyAlgorithm } = flags;
  const [csrPath, keyPath] = [join(folder, `${lineName}.csr.pem`), join(folder, `${lineName}.key.pem`)];
  await checkNothingThere([csrPath, keyPath]);
  await withNewKey(linePlace(lineName, flags), keyAlgorithm, async (key, password) => {
    const csr: FileContent = { path: csrPath, data: await createAuthorityRequest(key, { lineName }), access: 'public' };
    const keyFiles: FileContent[] =
      password === undefined ? [] : [{ path: keyPath, data: await encryptPrivateKey(key, password), access: 'secret' }];
    await writeFileSet([...keyFiles, csr], false);
    output.result({ line: lineName, csrPath, keyPath: password === undefined ? undefined : keyPath });
  });
}

async function sign(
  { output }: CommandContext,
  lineName: string,
  flags: CeremonyFlags & { sign: string },
): Promise<void> {
  const { folder, days: validityDays } = flags;
  const { certificatePath, chainPath } = authorityPaths({ folder, name: lineName });
  await checkNothingThere([certificatePath, chainPath]);
  const csr = await readWholeFile(flags.sign);
  await withAuthority(output, rootPlace(flags), async (root) => {
    const signed = await signAuthorityRequest(root, csr.toString('utf8'), { lineName, validityDays });
    const paths = await recordLine(flags, { root, lineName, line: signed }, () => writeChain(folder, lineName, signed));
    output.result({ ...describe(signed), ...paths });
  });
}

async function take(
  { output }: CommandContext,
  lineName: string,
  flags: CeremonyFlags & { import: string },
): Promise<void> {
  const { folder, trustedRoot } = flags;
  if (trustedRoot === undefined) {
    throw new UsageError('Name the root with --trusted-root: one that came with the chain would vouch for itself.');
  }
  const chainPem = (await readWholeFile(flags.import)).toString('utf8');
  const trustedRootsPem = await readFile(trustedRoot, 'utf8').catch(() => {
    throw new UsageError(`Can't read ${trustedRoot}, given as --trusted-root.`);
  });
  const { isValid, problems } = await verifyChain({ chainPem, trustedRootsPem, purpose: 'authority' });
  if (!isValid) {
    throw new UsageError(
      `${flags.import} is no chain to that root: ${problems.map(({ message }) => message).join(' ')}`,
    );
  }
  await withKey(output, linePlace(lineName, flags), async (key) => {
    const line = openAuthority({ chainPem, key });
    output.result({ ...describe(line), ...(await writeChain(folder, lineName, line)) });
  });
}

/** The root of a folder. */
export function rootPlace(flags: FolderFlags & TokenFlags & Pick<CeremonyFlags, 'rootPasswordFile'>): AuthorityPlace {
  return { ...flags, name: rootName, kind: 'root', passwordFile: flags.rootPasswordFile };
}

function linePlace(name: string, flags: CeremonyFlags): AuthorityPlace {
  return { ...flags, name, kind: 'line', passwordFile: flags.linePasswordFile };
}

interface Signed {
  subject: string;
  serialNumber: string;
  notAfter: Date;
  thumbprintSha1: string;
  thumbprintSha256: string;
  certificatePem: string;
  chainPem: string;
}

async function writeChain(folder: string, name: string, signed: Signed): Promise<Record<string, string>> {
  const { certificatePath, chainPath } = authorityPaths({ folder, name });
  await writeFileSet(
    [
      { path: certificatePath, data: signed.certificatePem, access: 'public' },
      { path: chainPath, data: signed.chainPem, access: 'public' },
    ],
    false,
  );
  return { certificatePath, chainPath };
}

/** What a command says of an authority that it has made. */
export function describe({
  subject,
  serialNumber,
  notAfter,
  thumbprintSha1,
  thumbprintSha256,
}: Signed): Record<string, unknown> {
  return { subject, serialNumber, notAfter, thumbprintSha1, thumbprintSha256 };
}
