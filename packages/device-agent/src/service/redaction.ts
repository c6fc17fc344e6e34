/** Takes secrets out of a text that leaves the process. */
export type Redact = (text: string) => string;

const hidden = '[hidden]';

/** Shorter texts would hit everywhere, and protect nothing. */
const shortestSecret = 4;

/** What looks like a secret wherever it comes from: a PEM key, a shared access signature or key, credentials in a URL. */
const patterns: readonly (readonly [RegExp, string])[] = [
  // To the end of the text where a line has been cut off. `\s` is also what JSON makes of a line end.
  [/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?:(?!-----END).)*(?:-----END [A-Z0-9 ]*PRIVATE KEY-----)?/gs, hidden],
  [/(SharedAccessSignature\s+)[^\s"']+/gi, `$1${hidden}`],
  [/\b(SharedAccessKey|sig|password|passphrase|pwd|pin-value)=[^&;\s"']+/gi, `$1=${hidden}`],
  [/(Authorization:\s*(?:Basic|Bearer)\s+)[^\s"'\\]+/gi, `$1${hidden}`],
  [/(\b[a-z][a-z0-9+.-]*:\/\/)[^/?#\s"'@]+@/gi, `$1${hidden}@`],
];

/** Keeps out what looks like a secret, and these texts: as they are, and as JSON, a URL or base64 writes them. */
export function redactSecrets(secrets: readonly string[]): Redact {
  const exact = new Set(
    secrets
      .filter((secret) => secret.length >= shortestSecret)
      .flatMap((secret) => [
        secret,
        JSON.stringify(secret).slice(1, -1),
        encodeURIComponent(secret),
        Buffer.from(secret).toString('base64'),
      ]),
  );
  // Longest first: a secret may be part of another one.
  const longestFirst = [...exact].sort((a, b) => b.length - a.length);
  return (text) => {
    let clean = text;
    for (const secret of longestFirst) clean = clean.replaceAll(secret, hidden);
    for (const [pattern, replacement] of patterns) clean = clean.replace(pattern, replacement);
    return clean;
  };
}
