import type { CertificateAuthority } from '../authority.ts';
import { parseCertificates, type CertificateDetails } from '../certificate.ts';
import { authorityKeyIdentifier, keyIdentifier } from '../key-identifier.ts';
import { responsibleOf, withInventory, type InventoryFlags } from './context.ts';

/**
 * Writes a line's certificate into the root's inventory before it leaves, and afterwards that it has. There the line's name
 * takes the place of a registration ID.
 *
 * @param write - lets it leave
 */
export function recordLine<T>(
  flags: InventoryFlags,
  { root, lineName, line }: { root: CertificateAuthority; lineName: string; line: CertificateDetails },
  write: () => Promise<T>,
): Promise<T> {
  const { serialNumber, thumbprintSha1, thumbprintSha256, notBefore, notAfter } = line;
  const responsible = responsibleOf(flags);
  return withInventory({ ...flags, root: true }, async (inventory) => {
    const certificate = {
      registrationId: lineName,
      serialNumber,
      keyIdentifier: authorityKeyIdentifier(parseCertificates(line.certificatePem)[0]),
      thumbprintSha1,
      thumbprintSha256,
      notBefore,
      notAfter,
      replaces: (await inventory.findCurrent([lineName])).get(lineName),
    };
    const issued = { line: root.commonName ?? root.subject, lineKeyIdentifier: keyIdentifier(root.key.publicKeyDer) };
    const ids = await inventory.record({ ...responsible, issued: { ...issued, certificates: [certificate] } });
    const result = await write();
    await inventory.record({ ...responsible, delivered: ids ? [ids] : [] });
    return result;
  });
}
