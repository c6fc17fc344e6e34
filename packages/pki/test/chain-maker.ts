import {
  basicConstraints,
  extendedKeyUsage,
  keyUsage,
  makeRaw,
  usageId,
  type CertificatePlan,
  type KeyKind,
  type MadeCertificate,
} from './certificate-maker.ts';

/** At this moment every case is looked at. */
export const tableNow = new Date('2026-06-01T00:00:00Z');

export interface ChainCase {
  name: string;
  /** As it is sent. */
  chain: readonly MadeCertificate[];
  /** What OpenSSL is asked about; default: the first. */
  leaf?: MadeCertificate;
  /** Undefined: any root. */
  trusted?: readonly MadeCertificate[];
  /** RFC 5280 refuses it, or one version of OpenSSL, and another version doesn't: explain has to. */
  isStricter?: boolean;
}

export type Position = 'root' | 'line' | 'device';
export type Odd = Partial<CertificatePlan>;

export const authority = (pathLength?: number): Uint8Array[] => [basicConstraints(true, pathLength), keyUsage(5, 6)];
export const rightExtensions: Readonly<Record<Position, readonly Uint8Array[]>> = {
  root: authority(1),
  line: authority(0),
  device: [basicConstraints(false), keyUsage(0), extendedKeyUsage(usageId.clientAuth)],
};
const rightNames: Readonly<Record<Position, string>> = { root: 'Root', line: 'Line', device: 'device-1' };

export interface Three {
  root: MadeCertificate;
  line: MadeCertificate;
  device: MadeCertificate;
}

export function makeThree(kind: KeyKind, odd: Partial<Record<Position, Odd>> = {}): Three {
  const plan = (position: Position): CertificatePlan => ({
    name: rightNames[position],
    kind,
    extensions: rightExtensions[position],
    owner: position,
    ...odd[position],
  });
  const root = makeRaw(plan('root'));
  const line = makeRaw({ issuer: root, ...plan('line') });
  return { root, line, device: makeRaw({ issuer: line, ...plan('device') }) };
}

export const inOrder = ({ root, line, device }: Three): MadeCertificate[] => [device, line, root];
