import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { DeviceIdentity, IdentitySource } from '../identity/device-identity.ts';
import { readPfx } from '../identity/pfx.ts';
import { oneLine } from '../network/certificate-facts.ts';
import { keptCredential } from '../renewal/kept-credential.ts';
import { certificatePolicy } from './certificate-policy.ts';
import { found, type Check } from './examination.ts';
import { failed, ok, skipped, warning, type Outcome } from './outcome.ts';

/** A certificate is renewed from here on (Azure's guidance for certificate renewal). */
const renewalShare = 0.8;

/** What the certificates of the credential in use say, beyond belonging to the key. */
export const certificateChecks: readonly Check[] = [
  {
    name: 'credential',
    title: 'Credential in use',
    needs: ['identity-key', 'state-database'],
    run: async ({ options: { stateFolder }, findings, clock }) => {
      const given = found(findings.identity, 'the identity');
      const inUse = await keptCredential(stateFolder, given, clock.now());
      findings.isRenewed = inUse !== given;
      findings.identity = inUse;
      if (!findings.isRenewed) return ok('the configured one');
      const { thumbprintSha256, notBefore } = inUse.certificate;
      return ok(`a renewed one, SHA-256 ${thumbprintSha256}, valid from ${notBefore}`);
    },
  },
  {
    name: 'chain-present',
    title: 'Certificate chain is whole',
    needs: ['identity-key'],
    run: async ({ options, findings }) => {
      const identity = found(findings.identity, 'the identity');
      findings.certificates = findings.isRenewed === true ? chainOf(identity) : await certificatesOf(options.identity);
      return wholeness(identity);
    },
  },
  {
    name: 'chain-order',
    title: 'Certificate chain is in order',
    needs: ['chain-present'],
    run: ({ options, findings }) => {
      if ('pfxFile' in options.identity && findings.isRenewed !== true)
        return skipped('a PFX keeps no order; the agent sends the chain in the right one');
      return order(found(findings.identity, 'the identity'), found(findings.certificates, 'the certificates'));
    },
  },
  {
    name: 'chain-signatures',
    title: 'Each certificate is signed by its issuer',
    needs: ['chain-present'],
    run: ({ findings }) => signatures(found(findings.certificates, 'the certificates')),
  },
  {
    name: 'certificate-valid',
    title: 'Certificates are valid now',
    needs: ['identity-key'],
    run: ({ findings, clock }) => validity(found(findings.identity, 'the identity'), clock.now()),
  },
  {
    name: 'renewal-due',
    title: 'Certificate is not due for renewal',
    needs: ['certificate-valid'],
    run: ({ findings, clock }) => renewal(found(findings.identity, 'the identity'), clock.now()),
  },
  {
    name: 'certificate-usage',
    title: 'Certificate is for TLS clients',
    needs: ['identity-key'],
    run: ({ findings }) => usage(leafOf(found(findings.identity, 'the identity'))),
  },
  {
    name: 'certificate-strength',
    title: 'Keys and signatures are strong enough',
    needs: ['identity-key'],
    run: ({ findings }) => strength(chainOf(found(findings.identity, 'the identity'))),
  },
];

const pemBlock = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

async function certificatesOf(source: IdentitySource): Promise<readonly X509Certificate[]> {
  if ('pfxFile' in source) {
    const { certificatesDer } = await readPfx(await readFile(source.pfxFile), source.password, source.pfxFile);
    return certificatesDer.map((der) => new X509Certificate(der));
  }
  return readPem('chainFile' in source ? await readFile(source.chainFile, 'utf8') : source.chainPem);
}

const readPem = (pem: string): X509Certificate[] =>
  (pem.match(pemBlock) ?? []).map((block) => new X509Certificate(block));

const chainOf = (identity: DeviceIdentity): X509Certificate[] => readPem(identity.chainPem);

const leafOf = (identity: DeviceIdentity): X509Certificate => found(chainOf(identity)[0], 'the certificate');

function wholeness({ chainSubjects, lastIssuer }: DeviceIdentity): Outcome {
  const chain = chainSubjects.join(' <- ');
  const last = chainSubjects.at(-1) ?? '';
  if (last === lastIssuer) return ok(chain);
  if (chainSubjects.length > 1) return ok(`${chain}, issued by ${lastIssuer}, which DPS has to know`);
  return warning(
    `${last} stands alone: its issuer ${lastIssuer} is not in the source. An individual enrollment may do with that, a group does not`,
    'Export the PFX or PEM again with every certificate up to the root.',
  );
}

function order({ chainSubjects }: DeviceIdentity, certificates: readonly X509Certificate[]): Outcome {
  const subjects = certificates.map(({ subject }) => oneLine(subject));
  const isInOrder =
    subjects.length === chainSubjects.length && subjects.every((name, at) => name === chainSubjects[at]);
  if (isInOrder) return ok('device first, then each issuer');
  const strangers = subjects.filter((name) => !chainSubjects.includes(name));
  return warning(
    strangers.length === 0
      ? `found ${subjects.join(', ')}; the agent sends ${chainSubjects.join(', ')}, other programs may send it as it stands`
      : `${strangers.join(', ')} belongs to no chain of this device and is not sent`,
    'Write the file as device certificate, then its issuer, then that one’s issuer (RFC 5246 section 7.4.2), and nothing else.',
  );
}

function signatures(certificates: readonly X509Certificate[]): Outcome {
  for (const certificate of certificates) {
    const namesakes = certificates.filter((other) => other.subject === certificate.issuer);
    if (namesakes.length === 0 || namesakes.some((issuer) => certificate.verify(issuer.publicKey))) continue;
    return failed(
      `${oneLine(certificate.subject)} names ${oneLine(certificate.issuer)} as its issuer, and the certificate of that name has not signed it`,
      'Put the issuer’s own certificate in: an older or newer one of the same name has another key.',
    );
  }
  return ok(`${certificates.length} looked at`);
}

function validity(identity: DeviceIdentity, now: Date): Outcome {
  for (const { subject, validFrom, validTo } of chainOf(identity)) {
    const [from, to] = [new Date(validFrom), new Date(validTo)];
    const clock = `this device's clock says ${now.toISOString()}`;
    if (now < from) {
      return failed(
        `${oneLine(subject)} is valid from ${from.toISOString()}; ${clock}`,
        'Set the clock (NTP), or wait.',
      );
    }
    if (now > to) {
      return failed(
        `${oneLine(subject)} expired at ${to.toISOString()}; ${clock}`,
        'Issue a new certificate with the same common name, or set the clock (NTP).',
      );
    }
  }
  return ok(`until ${identity.notAfter.toISOString()}`);
}

function renewal({ notBefore, notAfter }: DeviceIdentity, now: Date): Outcome {
  const dueAt = new Date(notBefore.getTime() + (notAfter.getTime() - notBefore.getTime()) * renewalShare);
  if (now < dueAt) return ok(`due from ${dueAt.toISOString()}`);
  const days = Math.floor((notAfter.getTime() - now.getTime()) / 86_400_000);
  return warning(
    `due since ${dueAt.toISOString()}; ${days} days are left`,
    'Check that renewal is configured and look for its last failure in the log; or issue a new certificate with the same common name.',
  );
}

const clientAuthentication = '1.3.6.1.5.5.7.3.2';
const anyExtendedKeyUsage = '2.5.29.37.0';

function usage(leaf: X509Certificate): Outcome {
  const fix = 'Issue it as a device certificate: extended key usage clientAuth, key usage digitalSignature, not a CA.';
  // Node declares an array, and gives undefined for a certificate without the extension.
  const extended = leaf.keyUsage as readonly string[] | undefined;
  if (leaf.ca) return failed('it is the certificate of a CA', fix);
  if (extended && !extended.includes(clientAuthentication) && !extended.includes(anyExtendedKeyUsage)) {
    return failed(
      `its extended key usage is ${extended.join(', ')}, without clientAuth (${clientAuthentication})`,
      fix,
    );
  }
  if (!certificatePolicy(leaf).maySign) return failed('its key usage is without digitalSignature', fix);
  return ok('clientAuth, digitalSignature');
}

function strength(chain: readonly X509Certificate[]): Outcome {
  for (const certificate of chain) {
    const { asymmetricKeyType: type = '', asymmetricKeyDetails: { modulusLength = 0, namedCurve = '' } = {} } =
      certificate.publicKey;
    const name = oneLine(certificate.subject);
    const fix =
      'Issue it again with RSA of 2048 bits or more, or ECDSA on P-256 or P-384, signed with SHA-256 or better.';
    if (type === 'rsa' && modulusLength < 2048) return failed(`${name} has an RSA key of ${modulusLength} bits`, fix);
    if (type === 'ec' && !['prime256v1', 'secp384r1', 'secp521r1'].includes(namedCurve)) {
      return failed(`${name} has a key on the curve ${namedCurve}, which TLS in Azure does not take`, fix);
    }
    if (type !== 'rsa' && type !== 'ec')
      return failed(`${name} has a key of type ${type}, which Azure does not take`, fix);
    // A root is trusted by its key; nobody verifies its own signature.
    const isRoot = certificate.subject === certificate.issuer;
    const { signatureHash } = certificatePolicy(certificate);
    if (!isRoot && /^(md5|sha1)$/.test(signatureHash)) return failed(`${name} is signed with ${signatureHash}`, fix);
  }
  return ok(chain.map(({ publicKey }) => keyName(publicKey.asymmetricKeyDetails)).join(', '));
}

function keyName({ modulusLength, namedCurve }: { modulusLength?: number; namedCurve?: string } = {}): string {
  return modulusLength === undefined ? `ECDSA ${namedCurve ?? ''}` : `RSA ${modulusLength}`;
}
