import { execFile } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import semver from 'semver';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));
const names = ['pki', 'dps-admin', 'device-agent', 'cleanup', 'azure-iot-emulator'];

interface Manifest {
  readonly packageManager: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

const manifest = async (folder: string): Promise<Manifest> =>
  JSON.parse(await readFile(join(root, folder, 'package.json'), 'utf8')) as Manifest;

/** Development dependencies that declare a later Node, and why they are here all the same. */
const asksForMore = {
  '@azure/arm-deviceprovisioningservices-6': 'the emulator has to serve it; its test runs it on Node 20',
};

let folder: string;
const tarballs = new Map<string, string>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'contoso-packages-'));
  const { packageManager } = await manifest('.');
  for (const name of names) {
    const cwd = join(root, 'packages', name);
    await run('npx', ['--yes', packageManager, 'pack', '--pack-destination', folder], { cwd });
    const file = (await readdir(folder)).find((entry) => entry.startsWith(`contoso-${name}-`));
    if (file === undefined) throw new Error(`pnpm pack left no tarball of ${name}`);
    tarballs.set(name, join(folder, file));
  }
}, 120_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

describe.each(names)('@contoso/%s as it is published', (name) => {
  it('passes publint', async () => {
    const pkgDir = join(root, 'packages', name);
    const { messages, pkg } = await publint({ pkgDir, strict: true, pack: false });
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
  });

  it('passes are-the-types-wrong', async () => {
    const tarball = createPackageFromTarballData(await readFile(tarballs.get(name)!));
    const result = await checkPackage(tarball);
    const problems = result.types === false ? [{ kind: 'NoTypes' }] : result.problems;
    // ES modules with `exports` are all that is published: `require` of them is shown by the install test below, and
    // TypeScript's resolution from before `exports` (node10) can't find them.
    const isOurs = (problem: (typeof problems)[number]): boolean =>
      problem.kind !== 'CJSResolvesToESM' && !('resolutionKind' in problem && problem.resolutionKind === 'node10');
    expect(problems.filter(isOurs)).toEqual([]);
  });

  it('ships its documents and nothing else but built files', async () => {
    const { stdout } = await run('tar', ['-tzf', tarballs.get(name)!]);
    const files = stdout.trim().split('\n');
    expect(files).toContain('package/README.md');
    expect(
      files.filter(
        (file) =>
          !/^package\/(dist\/.*\.(js|d\.ts|js\.map)|bin\/.*\.js|package\.json|docs\/.*\.md|[A-Z]+\.md|LICENSE)$/.test(
            file,
          ),
      ),
    ).toEqual([]);
  });
});

describe('@contoso/device-agent', () => {
  it('knows when it was released', async () => {
    const { stdout } = await run('tar', ['-xOzf', tarballs.get('device-agent')!, 'package/dist/released-at.js']);
    const [, releasedAt = ''] = /releasedAt = '([^']+)'/.exec(stdout) ?? [];
    expect(Math.abs(Date.now() - Date.parse(releasedAt))).toBeLessThan(3_600_000);
  });
});

describe.each(['.', 'bench', ...names.map((name) => join('packages', name)), 'examples/best-practice-x509'])(
  'the dependencies of %s',
  (folderName) => {
    it('have engines that admit Node 20.19', async () => {
      const { dependencies = {}, devDependencies = {} } = await manifest(folderName);
      const all = Object.keys({ ...dependencies, ...devDependencies });
      for (const dependency of all.filter((name) => !(name in asksForMore))) {
        const file = join(root, folderName, 'node_modules', dependency, 'package.json');
        const { engines } = JSON.parse(await readFile(file, 'utf8')) as { engines?: { node?: string } };
        expect([dependency, semver.satisfies('20.19.0', engines?.node ?? '*')]).toEqual([dependency, true]);
      }
    });
  },
);

describe('the tarballs in an empty project', () => {
  const use = `
    const root = await pki.createRootAuthority({ commonName: 'Contoso Root CA' });
    const line = await pki.createLineAuthority(root, { lineName: 'line-1' });
    const device = await pki.issueDeviceCertificate(line, { registrationId: 'thermostat-1' });
    const identity = await agent.loadIdentity({ chainPem: device.chainPem, privateKeyPem: device.privateKeyPem });
    const azure = await emulator.startAzureIot();
    const cloud = await admin.loadCloud('public');
    await azure.close();
    const names: string = [identity.registrationId, cloud.name, typeof cleanup.planCleanup].join(' ');
    console.log(names);
  `;
  const untyped = use.replace(': string', '');
  const expected = 'thermostat-1 public function\n';
  const imports = {
    pki: 'pki',
    admin: 'dps-admin',
    agent: 'device-agent',
    cleanup: 'cleanup',
    emulator: 'azure-iot-emulator',
  };
  const list = (line: (variable: string, name: string) => string): string =>
    Object.entries(imports)
      .map(([variable, name]) => line(variable, name))
      .join('\n');

  let project: string;

  beforeAll(async () => {
    project = await mkdtemp(join(tmpdir(), 'contoso-project-'));
    await writeFile(join(project, 'package.json'), JSON.stringify({ name: 'empty', private: true, type: 'module' }));
    await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', ...tarballs.values()], {
      cwd: project,
    });
  }, 240_000);

  afterAll(() => rm(project, { recursive: true, force: true }));

  it('are imported and used from an ES module', async () => {
    const source = `${list((variable, name) => `import * as ${variable} from '@contoso/${name}';`)}\n${untyped}`;
    await writeFile(join(project, 'esm.mjs'), source);
    const { stdout } = await run(process.execPath, ['esm.mjs'], { cwd: project, env: plainEnvironment() });
    expect(stdout).toBe(expected);
  });

  it('are required and used from CommonJS', async () => {
    const source = `${list((variable, name) => `const ${variable} = require('@contoso/${name}');`)}\n(async () => {${untyped}})();`;
    await writeFile(join(project, 'cjs.cjs'), source);
    const { stdout } = await run(process.execPath, ['cjs.cjs'], { cwd: project, env: plainEnvironment() });
    expect(stdout).toBe(expected);
  });

  it('are compiled against and used from TypeScript', async () => {
    const source = `${list((variable, name) => `import * as ${variable} from '@contoso/${name}';`)}\n${use}\nexport {};`;
    await writeFile(join(project, 'typed.ts'), source);
    const options = [
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2023',
      '--skipLibCheck',
      '--types',
      'node',
      '--typeRoots',
      join(root, 'node_modules/@types'),
    ];
    await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...options, 'typed.ts'], {
      cwd: project,
    });
    const { stdout } = await run(process.execPath, ['typed.js'], { cwd: project, env: plainEnvironment() });
    expect(stdout).toBe(expected);
  });
});

/** Without the options that jest itself needs. */
function plainEnvironment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, ...rest } = process.env;
  return rest;
}
