import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { packTar } from 'modern-tar';
import { diagnose } from '../diagnosis/diagnose.ts';
import { formatDiagnosis } from '../diagnosis/diagnosis-text.ts';
import { textOf } from '../errors.ts';
import { diagnosisOptions } from './agent-options.ts';
import type { ServiceConfig } from './config.ts';
import { readHealthFile } from './health-file.ts';
import { logFileNames } from './log.ts';
import { redactSecrets } from './redaction.ts';
import { summarizeState } from '../state/state-summary.ts';
import { packageVersion } from './version.ts';
import { writeWholeFile } from './whole-file.ts';

/** A file of the bundle. */
export interface BundleEntry {
  readonly name: string;
  /** For whoever gets the bundle. */
  readonly about: string;
  readonly text: string;
}

/**
 * Collects what support asks for, without keys, passwords, message bodies or values of twins: secrets of the configuration, and
 * what looks like one, are taken out of every file.
 *
 * @throws {DeviceAgentError} ERR_AGENT_CONFIG, ERR_AGENT_SECRET
 */
export async function collectBundle(config: ServiceConfig): Promise<BundleEntry[]> {
  const { options, secrets } = await diagnosisOptions(config);
  const diagnosis = await diagnose(options);
  const { registrationId } = diagnosis;
  const health = config.health.file === undefined ? undefined : await readHealthFile(config.health.file);
  const entries: BundleEntry[] = [
    { name: 'doctor.txt', about: 'what contoso-device doctor says', text: formatDiagnosis(diagnosis) },
    { name: 'doctor.json', about: 'the same for programs', text: json(diagnosis) },
    {
      name: 'config.json',
      about: 'the configuration as it was understood; passwords are not in it',
      text: json(config),
    },
    {
      name: 'state.json',
      about: 'what waits on disk, in numbers, and the assignment',
      text: json(stateOf(config, registrationId)),
    },
    {
      name: 'health.json',
      about: "the service's last word about itself, with the certificate's dates",
      text: json(health ?? null),
    },
    { name: 'versions.json', about: 'of the agent, Node and the system', text: json(versions()) },
    ...(await logs(config.log)),
  ];
  const contents = entries.map(({ name, about }) => `${name}: ${about}`).join('\n');
  const all = [{ name: 'contents.txt', about: 'this list', text: contents }, ...entries];
  const redact = redactSecrets(secrets);
  return all.map((entry) => ({ ...entry, text: `${redact(entry.text)}\n` }));
}

/** Writes it as `.tar.gz`, mode 0600, whole or not at all. */
export async function writeBundle(file: string, entries: readonly BundleEntry[]): Promise<void> {
  const archive = await packTar(
    entries.map(({ name, text }) => ({
      header: { name, size: Buffer.byteLength(text), mode: 0o600 },
      body: text,
    })),
  );
  await writeWholeFile(file, await promisify(gzip)(archive), { mode: 0o600, isDurable: true });
}

const json = (value: unknown): string => JSON.stringify(value, undefined, 2);

function stateOf({ stateFolder }: ServiceConfig, registrationId: string | undefined): object {
  if (registrationId === undefined) return { problem: 'the identity could not be read; see doctor.txt' };
  try {
    return summarizeState(stateFolder, registrationId, new Date()) ?? { problem: 'nothing is kept yet' };
  } catch (error) {
    return { problem: textOf(error) };
  }
}

function versions(): object {
  const { node, openssl } = process.versions;
  const { platform, arch } = process;
  return { contosoDevice: packageVersion(), node, openssl, platform, arch, collectedAt: new Date().toISOString() };
}

async function logs({ file, files }: ServiceConfig['log']): Promise<BundleEntry[]> {
  if (file === undefined) {
    const text =
      'No log.file is configured. Under systemd the log is in the journal: journalctl -u contoso-device -o cat';
    return [{ name: 'log.txt', about: 'where the log is', text }];
  }
  const found: BundleEntry[] = [];
  for (const [index, name] of logFileNames(file, files).entries()) {
    const text = await readFile(name, 'utf8').catch(() => undefined);
    if (text !== undefined) found.push({ name: `log/${index}.ndjson`, about: 'the log; 0 is the newest', text });
  }
  return found;
}
