import { AsnConvert } from '@peculiar/asn1-schema';
import { NameConstraints, SubjectAlternativeName, type GeneralName, type GeneralSubtree } from '@peculiar/asn1-x509';
import { isSelfIssued } from './chain.ts';
import type { FoundProblem } from './chain-problem.ts';
import { isBelow, isEmptyName } from './distinguished-name.ts';
import { Name, type X509Certificate } from './engine.ts';

const oid = { nameConstraints: '2.5.29.30', subjectAltName: '2.5.29.17', emailAddress: '1.2.840.113549.1.9.1' };

/** A name that a certificate gives its subject, or that a constraint is about. */
interface Named {
  /** As RFC 5280 section 4.2.1.6 calls it. */
  kind: string;
  /** Where it is one of the two kinds that are judged. */
  value: Name | string | undefined;
}

/** Each name is compared with each constraint; OpenSSL gives up there too. */
const mostComparisons = 2 ** 20;

/**
 * Name constraints (RFC 5280 section 4.2.1.10) of every authority in a path against every name below it, as OpenSSL reads
 * them: critical or not, the end of the path included, self-issued authorities let off, and a device's common name that looks
 * like a DNS name is one where it has no other.
 */
export function checkNameConstraints(path: readonly X509Certificate[]): FoundProblem[] {
  return path.flatMap((certificate, index) => {
    if (index > 0 && isSelfIssued(certificate)) return [];
    const names = namesOf(certificate, { isDevice: index === 0 });
    return path.slice(index + 1).flatMap((authority) => {
      const reason = whyNot(names, authority);
      return reason === undefined ? [] : [problem(certificate, authority, reason)];
    });
  });
}

function problem(certificate: X509Certificate, authority: X509Certificate, reason: string): FoundProblem {
  return {
    code: 'CHAIN_CONSTRAINT',
    message: `"${authority.subject}" may not issue for "${certificate.subject}": ${reason}. Issue it from another authority, or under another name.`,
    rule: 'path',
    certificate,
  };
}

function whyNot(names: readonly Named[], authority: X509Certificate): string | undefined {
  const extension = authority.getExtension(oid.nameConstraints);
  if (!extension) return undefined;
  let limits: Limits;
  try {
    const { permittedSubtrees, excludedSubtrees } = AsnConvert.parse(extension.value, NameConstraints);
    limits = { permitted: toLimits(permittedSubtrees), excluded: toLimits(excludedSubtrees) };
  } catch {
    return "its name constraints can't be read";
  }
  if (names.length * (limits.permitted.length + limits.excluded.length) > mostComparisons) {
    return 'it has too many name constraints for so many names';
  }
  for (const name of names) {
    const reason = judge(name, limits);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

interface Limits {
  permitted: readonly Limit[];
  excluded: readonly Limit[];
}

interface Limit extends Named {
  /** RFC 5280 knows neither minimum nor maximum. */
  hasDistance: boolean;
}

function judge(name: Named, limits: Limits): string | undefined {
  const isOfKind = ({ kind }: Limit): boolean => kind === name.kind;
  const [permitted, excluded] = [limits.permitted.filter(isOfKind), limits.excluded.filter(isOfKind)];
  if (permitted.length + excluded.length === 0) return undefined;
  const hasDistance = [...permitted, ...excluded].some((limit) => limit.hasDistance);
  if (hasDistance) return 'its name constraints have a minimum or a maximum';
  if (name.value === undefined) return `it limits names of the kind ${name.kind}, which are not judged here`;
  const words = `the ${name.kind} ${JSON.stringify(name.value.toString())}`;
  const holds = ({ value }: Limit): boolean => isWithin(name.value, value);
  if (permitted.length > 0 && !permitted.some(holds)) return `${words} is not among those that it permits`;
  return excluded.some(holds) ? `it excludes ${words}` : undefined;
}

function isWithin(name: Named['value'], base: Named['value']): boolean {
  if (name instanceof Name && base instanceof Name) return isBelow(name, base);
  return typeof name === 'string' && typeof base === 'string' && isWithinDomain(name.toLowerCase(), base.toLowerCase());
}

/** Labels may be added in front; a base that begins with a dot needs one. */
function isWithinDomain(name: string, base: string): boolean {
  if (base === '' || name === base) return true;
  return name.endsWith(base.startsWith('.') ? base : `.${base}`);
}

function toLimits(subtrees: Iterable<GeneralSubtree> = []): Limit[] {
  return Array.from(subtrees, ({ base, minimum, maximum }) => ({
    ...toNamed(base),
    hasDistance: minimum !== 0 || maximum !== undefined,
  }));
}

function namesOf(certificate: X509Certificate, { isDevice }: { isDevice: boolean }): Named[] {
  const { subjectName } = certificate;
  const extension = certificate.getExtension(oid.subjectAltName);
  const alternative = extension ? AsnConvert.parse(extension.value, SubjectAlternativeName).map(toNamed) : [];
  const hasDnsName = alternative.some(({ kind }) => kind === 'dNSName');
  const commonNames = isDevice && !hasDnsName ? subjectName.getField('CN').filter(looksLikeDomain) : [];
  return [
    ...(isEmptyName(subjectName) ? [] : [{ kind: 'directoryName', value: subjectName }]),
    ...subjectName.getField(oid.emailAddress).map(() => ({ kind: 'rfc822Name', value: undefined })),
    ...alternative,
    ...commonNames.map((value) => ({ kind: 'dNSName', value })),
  ];
}

/** Two labels or more. */
function looksLikeDomain(text: string): boolean {
  return /^\w(?:[\w-]*\w)?(?:\.\w(?:[\w-]*\w)?)+$/.test(text);
}

function toNamed(name: GeneralName): Named {
  const { directoryName, dNSName } = name;
  if (directoryName) return { kind: 'directoryName', value: new Name(AsnConvert.serialize(directoryName)) };
  if (dNSName !== undefined) return { kind: 'dNSName', value: dNSName };
  const [kind = 'unknown'] = Object.entries(name).find(([, value]) => value !== undefined) ?? [];
  return { kind, value: undefined };
}
