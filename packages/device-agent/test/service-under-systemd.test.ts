import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startContoso, type Contoso } from './contoso.ts';
import { contosoDevice, deviceFolder, type LogRecord } from './service-process.ts';
import { canBootSystemd, SystemdMachine } from './systemd-machine.ts';

const command = fileURLToPath(new URL('../bin/contoso-device.js', import.meta.url));
const itWithMachine = canBootSystemd(command) ? it : it.skip;
const unit = 'contoso-device.service';

let contoso: Contoso;
let machine: SystemdMachine | undefined;

beforeAll(async () => {
  contoso = await startContoso();
});

afterAll(async () => {
  await machine?.close();
  await contoso.close();
});

/** The application sends one message each time it is started. */
async function arrival(number: number): Promise<void> {
  const fits = ({ body }: { readonly body: Uint8Array }): boolean => Buffer.from(body).toString() === `start ${number}`;
  const arrived = await contoso.hub.telemetry.waitFor(fits, { timeoutMs: 25_000 });
  if (!arrived)
    throw new Error(
      `no start ${number}: ${JSON.stringify(await machine?.show(unit, 'ActiveState', 'NRestarts', 'Result', 'ExecMainStatus'))}`,
    );
}

describe('a real systemd', () => {
  itWithMachine(
    'starts the printed unit, learns that it is ready, starts it anew when it is frozen, and stops it',
    async () => {
      const { configFile, configure, folder, path } = await deviceFolder(contoso, 'under-systemd');
      await configure({
        application: 'app.mjs',
        stateFolder: '/var/lib/contoso-device',
        log: { file: '/var/log/contoso-device/agent.log' },
        health: { file: '/run/contoso-device/health.json' },
      });
      await writeFile(
        path('app.mjs'),
        `import { readFile, writeFile } from 'node:fs/promises';
        export async function start(agent) {
          const file = '/var/lib/contoso-device/starts';
          const starts = Number(await readFile(file, 'utf8').catch(() => 0)) + 1;
          await writeFile(file, String(starts));
          await agent.send({ body: \`start \${starts}\` });
        }`,
      );
      const { stdout } = await contosoDevice(['systemd-unit', '--config', configFile]);
      machine = await SystemdMachine.boot({
        etc: folder,
        unit: {
          name: unit,
          text: stdout.replaceAll(folder, '/etc/contoso-device'),
          dropIn: '[Service]\nWatchdogSec=4\nRestartSec=1\n',
        },
      });
      await arrival(1);
      // It was told to start already: this waits for READY=1.
      await machine.run('systemctl', 'start', unit);
      const { MainPID = '', ...started } = await machine.show(unit, 'ActiveState', 'NRestarts', 'MainPID');
      expect(started).toEqual({ ActiveState: 'active', NRestarts: '0' });
      await machine.run('kill', '-STOP', MainPID);
      await arrival(2);
      await machine.run('systemctl', 'start', unit);
      const restarted = await machine.show(unit, 'ActiveState', 'NRestarts', 'MainPID');
      expect(restarted).toMatchObject({ ActiveState: 'active', NRestarts: '1' });
      expect(restarted['MainPID']).not.toBe(MainPID);
      await machine.run('systemctl', 'stop', unit);
      expect(await machine.show(unit, 'ActiveState', 'Result', 'ExecMainCode', 'ExecMainStatus')).toEqual({
        ...{ ActiveState: 'inactive', Result: 'success' },
        // CLD_EXITED
        ...{ ExecMainCode: '1', ExecMainStatus: '0' },
      });
      const log = await machine.run('cat', '/var/log/contoso-device/agent.log');
      const last = JSON.parse(log.trim().split('\n').at(-1) ?? '') as LogRecord;
      expect(last).toMatchObject({ msg: 'stopped', undeliveredMessages: 0 });
    },
    60_000,
  );
});
