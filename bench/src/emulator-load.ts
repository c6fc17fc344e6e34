import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Where a server is. */
export interface Place {
  readonly port: number;
  readonly servername: string;
  /** PEM. */
  readonly ca: string;
}

/** One client's part of a CONNECT and of the handshake before it. */
export interface Connection {
  readonly clientId: string;
  readonly username: string;
  /** PEM, leaf first. */
  readonly cert: string;
  readonly key: string;
}

export interface Registration extends Connection {
  readonly registrationId: string;
}

/** What the load generator is told, one line of JSON each. */
export type LoadCommand =
  | { readonly do: 'connect'; readonly place: Place; readonly connections: readonly Connection[] }
  | { readonly do: 'send'; readonly first: number; readonly messages: number; readonly inFlight: number }
  | {
      readonly do: 'handshake' | 'reconnect';
      readonly place: Place;
      readonly connections: readonly Connection[];
      readonly lanes: number;
    }
  | {
      readonly do: 'register';
      readonly place: Place;
      readonly registrations: readonly Registration[];
      readonly lanes: number;
    }
  | { readonly do: 'disconnect' };

/** How long it took, and how much of a core the generator itself used for it. */
export interface LoadRun {
  readonly ms: number;
  readonly cpuMs: number;
}

export type LoadAnswer = LoadRun | { readonly error: string };

export interface Load {
  run(command: LoadCommand): Promise<LoadRun>;
  stop(): Promise<void>;
}

/** Starts a load generator in a process of its own. */
export function startLoad(): Load {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./emulator-load-process.js', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    run: async (order) => {
      child.stdin.write(`${JSON.stringify(order)}\n`);
      const line = await answers.next();
      if (line.done === true) throw new Error('the load generator ended');
      const answer = JSON.parse(line.value) as LoadAnswer;
      if ('error' in answer) throw new Error(`load generator: ${order.do}: ${answer.error}`);
      return answer;
    },
    stop: async () => {
      child.stdin.end();
      await exited;
    },
  };
}
