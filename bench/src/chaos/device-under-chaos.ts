import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { DeviceOptions, DeviceOrder, DeviceReport } from './device-orders.ts';
import { processEnvironment } from './process-environment.ts';
import type { StateDisk } from './state-disk.ts';

/** A device in its own process; whoever kills it starts it again, and so does its end, as a service manager would. */
export class DeviceUnderChaos {
  readonly options: DeviceOptions;
  /** Numbers for which `send` has resolved. */
  readonly promised: number[] = [];
  /** Why agents ended by themselves while their disk had room. */
  readonly ends: string[] = [];
  endsOnFullDisk = 0;
  /** Messages that the application was handed once more, told that it may have had them. */
  handedOverAgain = 0;
  notTaken = 0;
  provisionings = 0;
  connections = 0;
  isFlushed = false;
  #process: ChildProcess | undefined;
  #isStopping = false;
  readonly #disk: Pick<StateDisk, 'wasFull'>;

  constructor(options: DeviceOptions, disk: Pick<StateDisk, 'wasFull'>) {
    this.options = options;
    this.#disk = disk;
  }

  start(): void {
    const child = fork(fileURLToPath(new URL('../../dist/chaos/device-process.js', import.meta.url)), {
      env: processEnvironment(),
      execArgv: [],
    });
    this.#process = child;
    child.on('message', (message) => this.#take(message as DeviceReport));
    child.on('exit', (_code, signal) => {
      if (signal === null && !this.#isStopping) setTimeout(() => this.start(), 200);
    });
    child.send(this.options);
  }

  order(order: DeviceOrder): void {
    if (this.#process?.connected === true) this.#process.send(order);
  }

  /** kill -9, and again from what is on its disk. */
  async crash(): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    this.start();
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    this.order('stop');
    const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await exited;
    clearTimeout(late);
  }

  #take(report: DeviceReport): void {
    switch (report.type) {
      case 'promised':
        this.promised.push(report.number);
        break;
      case 'not-taken':
        this.notTaken += 1;
        break;
      case 'handed-over-again':
        this.handedOverAgain += 1;
        break;
      case 'provisioning':
        this.provisionings += 1;
        break;
      case 'status':
        if (report.status === 'Connected') this.connections += 1;
        break;
      case 'flushed':
        this.isFlushed = true;
        break;
      case 'ended':
        if (this.#disk.wasFull) this.endsOnFullDisk += 1;
        else this.ends.push(report.error);
        break;
    }
  }
}
