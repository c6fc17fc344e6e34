import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const script = fileURLToPath(new URL('./isolated-machine.sh', import.meta.url));
const systemd = '/lib/systemd/systemd';
const run = promisify(execFile);

/**
 * systemd finds these units and no others: those of a distribution would, at its start, clean up folders and set up the kernel.
 */
const targets = ['sysinit', 'basic', 'network-online', 'time-sync', 'multi-user', 'shutdown'];

/** Nothing of this process's own environment. */
const env = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  container: 'contoso-test',
  SYSTEMD_UNIT_PATH: '/run/units',
  SYSTEMD_GENERATOR_PATH: '/run/none',
};

/** Whether a systemd can be the first process of a machine of its own here: it takes root, namespaces, overlayfs and cgroup2. */
export function canBootSystemd(command: string): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'systemd-test-'));
  for (const name of ['machine', 'etc', 'units']) mkdirSync(join(folder, name));
  // Units with DynamicUser= have to be able to read what they run.
  const nobody = ['setpriv', '--reuid', '65534', '--clear-groups'];
  const check = `test -x ${systemd} && "$@" test -r ${command} && "$@" ${process.execPath} --version`;
  const { status, stdout } = spawnSync('sh', [script, folder, 'sh', '-c', check, 'check', ...nobody], {
    env,
    encoding: 'utf8',
  });
  const [group] = stdout.split('\n');
  if (group) removeGroup(group);
  rmSync(folder, { recursive: true });
  return status === 0;
}

export interface SystemdMachineOptions {
  /** Is `/etc/contoso-device` there. */
  readonly etc: string;
  /** A unit that is enabled, by its name, and what a drop-in changes about it. */
  readonly unit: { readonly name: string; readonly text: string; readonly dropIn: string };
}

/** A systemd that has started in a machine of its own. */
export class SystemdMachine {
  readonly #folder: string;
  readonly #process: ChildProcess;
  readonly #group: string;

  private constructor(folder: string, process: ChildProcess, group: string) {
    this.#folder = folder;
    this.#process = process;
    this.#group = group;
  }

  /** Starts it with the unit enabled. */
  static async boot({ etc, unit }: SystemdMachineOptions): Promise<SystemdMachine> {
    const folder = await mkdtemp(join(tmpdir(), 'systemd-test-'));
    const units = join(folder, 'units');
    await Promise.all([mkdir(join(folder, 'machine')), symlink(etc, join(folder, 'etc'))]);
    await mkdir(join(units, 'multi-user.target.wants'), { recursive: true });
    await mkdir(join(units, `${unit.name}.d`));
    const target = '[Unit]\nDefaultDependencies=no\n';
    await Promise.all([
      ...targets.map((name) => writeFile(join(units, `${name}.target`), target)),
      writeFile(join(units, unit.name), unit.text),
      writeFile(join(units, `${unit.name}.d`, 'test.conf'), unit.dropIn),
      symlink(`../${unit.name}`, join(units, 'multi-user.target.wants', unit.name)),
    ]);
    const child = spawn('sh', [script, folder, systemd, '--system', '--unit=multi-user.target'], {
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [group] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    return new SystemdMachine(folder, child, group);
  }

  /** Runs a command in the machine. */
  async run(...command: readonly string[]): Promise<string> {
    const { stdout } = await run('nsenter', ['--target', await this.#firstProcess(), '--all', ...command], { env });
    return stdout;
  }

  /** Properties of a unit, as `systemctl show` gives them. */
  async show(unit: string, ...names: readonly string[]): Promise<Readonly<Record<string, string>>> {
    const shown = await this.run('systemctl', 'show', unit, ...names.map((name) => `--property=${name}`));
    return Object.fromEntries(
      shown
        .trim()
        .split('\n')
        .map((line) => line.split('=', 2)),
    ) as Readonly<Record<string, string>>;
  }

  /** All its processes end with the first one. */
  async close(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const closed = once(this.#process, 'close');
      process.kill(Number(await this.#firstProcess()), 'SIGKILL');
      await closed;
    }
    removeGroup(this.#group);
    await rm(this.#folder, { recursive: true });
  }

  /** As this machine counts it. */
  async #firstProcess(): Promise<string> {
    const { pid } = this.#process;
    return (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim();
  }
}

/** A control group goes when those in it are gone. */
function removeGroup(group: string): void {
  for (const entry of readdirSync(group, { withFileTypes: true })) {
    if (entry.isDirectory()) removeGroup(join(group, entry.name));
  }
  rmdirSync(group);
}
