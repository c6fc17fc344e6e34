const longestText = 300;

/** Anything in a text that lets somebody in: signatures, keys, passwords, bearer tokens. */
const secrets = [
  /((?:^|[?&;\s'"])(?:sig|SharedAccessKey|client_secret|password|primaryKey|secondaryKey)["']?\s*[=:]\s*["']?)[^&;\s'",}]+/gi,
  /(SharedAccessSignature\s+)\S+/gi,
  /(Bearer\s+)\S+/gi,
];

/** A text from outside, fit for one line of a log: no secret, no control character, not endless. */
export function plainText(text: string): string {
  const open = secrets.reduce((current, pattern) => current.replace(pattern, '$1***'), text);
  const printable = open.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '?');
  return printable.length > longestText ? `${printable.slice(0, longestText)}...` : printable;
}
