import { Certificate, CertificateChainValidationEngine } from 'pkijs';
import { isSignedBy } from './chain.ts';
import type { FoundProblem } from './chain-problem.ts';
import { pkijsEngine, type X509Certificate } from './engine.ts';

const nameConstraints = '2.5.29.30';

/**
 * Path validation by pkijs (RFC 5280 section 6.1): dates, names, authorities, critical extensions, policies. Signatures are
 * checked by Node, since pkijs knows fewer algorithms.
 *
 * Run on a path in which our own checks found nothing: what it still refuses has to do with policies.
 */
export async function validateWithEngine(path: readonly X509Certificate[], now: Date): Promise<FoundProblem[]> {
  // pkijs wants an issuer in every path; a certificate that is trusted for itself has none.
  if (path.length < 2) return [];
  const refusal = await run(path, now);
  if (refusal === undefined) return [];
  return [
    {
      code: 'CHAIN_CONSTRAINT',
      message:
        `Path validation refuses the chain: ${refusal}. Its authorities limit it by certificate policies: ` +
        'issue from an authority without such limits, or with what they ask for.',
      rule: 'path',
    },
  ];
}

async function run(path: readonly X509Certificate[], now: Date): Promise<string | undefined> {
  try {
    const entries = path.map((certificate) => ({ certificate, parsed: Certificate.fromBER(certificate.rawData) }));
    for (const [index, { parsed }] of entries.entries()) {
      // Names have been compared as RFC 5280 section 7.1 has it; pkijs minds the kind of string.
      parsed.issuer = entries[index + 1]?.parsed.subject ?? parsed.subject;
      // Judged by chain-names.ts; pkijs reads them in its own way.
      parsed.extensions = (parsed.extensions ?? []).filter(({ extnID }) => extnID !== nameConstraints);
    }
    const parsed = entries.map((entry) => entry.parsed);
    const engine = new CertificateChainValidationEngine({
      trustedCerts: parsed.slice(-1),
      certs: parsed.slice(0, -1).reverse(),
      checkDate: now,
      findIssuer: (certificate) => {
        const index = parsed.indexOf(certificate);
        const [own, next] = [entries[index], entries[index + 1]];
        return Promise.resolve(own && next && isSignedBy(own.certificate, next.certificate) ? [next.parsed] : []);
      },
    });
    const { result, resultMessage } = await engine.verify({}, pkijsEngine);
    return result ? undefined : resultMessage;
  } catch (error) {
    return (error as Partial<Error> | undefined)?.message ?? 'it contradicts itself';
  }
}
