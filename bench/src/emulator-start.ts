import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

/** From the command to its ready line, in milliseconds; one number a start. */
export async function measureStart(starts: number): Promise<number[]> {
  const manifest = createRequire(import.meta.url).resolve('@contoso/azure-iot-emulator/package.json');
  const program = join(dirname(manifest), 'bin/azure-iot-emulator.js');
  const times: number[] = [];
  for (let start = 0; start < starts; start += 1) {
    const began = performance.now();
    const child = spawn(process.execPath, [program, 'start', '--mqtt-port', '0', '--https-port', '0', '--json'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(createInterface(child.stdout), 'line');
    times.push(performance.now() - began);
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
  return times;
}
