import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { RawClient } from './mqtt-raw-client.ts';

const program = fileURLToPath(new URL('../bin/azure-iot-emulator.js', import.meta.url));

interface Ready {
  readonly cloudFile: string;
  readonly mqttPort: number;
}

describe('azure-iot-emulator start --trace', () => {
  it('ok: explains on standard error, beside the lines that say what was refused', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'emulator-trace-'));
    const flags = ['--mqtt-port', '0', '--https-port', '0', '--folder', folder, '--json', '--quotas', '--trace'];
    const child = spawn(process.execPath, [program, 'start', ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
    try {
      const said = text(child.stderr);
      const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
      const { cloudFile, mqttPort } = JSON.parse(line) as Ready;
      const { trustedRootsPem } = JSON.parse(await readFile(cloudFile, 'utf8')) as { trustedRootsPem: string };
      const client = await RawClient.overTls({ port: mqttPort, ca: trustedRootsPem, servername: 'localhost' });
      await client.connect({ clientId: 'd1', username: 'h1.azure-devices.localhost/d1/?api-version=1' });
      await client.ended;
      child.kill('SIGTERM');
      const lines = (await said).trim().split('\n');
      expect(lines).toContain(
        'MQTT to d1: CONNACK: refused with 5 (not authorized): there is no hub h1.azure-devices.localhost',
      );
      expect(lines).toContain('MQTT d1: refused with 5: there is no hub h1.azure-devices.localhost');
    } finally {
      child.kill('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    }
  });
});
