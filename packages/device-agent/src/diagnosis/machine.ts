import { statfs } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { rootCertificates } from 'node:tls';

/** What the checks ask the machine itself. */
export interface Machine {
  /** As `process.versions.node`. */
  readonly nodeVersion: string;
  /** PEM, the roots that Node trusts. */
  readonly rootsPem: readonly string[];
  /** IP addresses other than loopback and link-local. */
  addresses(): readonly string[];
  /** Room for this user on the folder's file system. */
  freeSpace(folder: string): Promise<{ readonly bytes: number; readonly files: number }>;
}

export const thisMachine: Machine = {
  nodeVersion: process.versions.node,
  rootsPem: rootCertificates,
  addresses: () =>
    Object.values(networkInterfaces())
      .flatMap((found) => found ?? [])
      .filter(({ internal, address }) => !internal && !/^(169\.254\.|fe80:)/i.test(address))
      .map(({ address }) => address),
  freeSpace: async (folder) => {
    const { bavail, bsize, ffree, files } = await statfs(folder);
    // Some file systems make room for files as they need it, and count none.
    return { bytes: bavail * bsize, files: files === 0 ? Number.POSITIVE_INFINITY : ffree };
  },
};
