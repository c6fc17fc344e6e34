import { DeviceAgentError, textOf } from '../errors.ts';

/** What SQLite's result codes mean to whoever runs the device. */
const meanings: readonly (readonly [RegExp, string])[] = [
  [/FULL/, 'the disk is full: free space; the agent goes on by itself'],
  [
    /NOTADB|CORRUPT/,
    'the database is damaged: nothing of it was deleted. Check the disk, move the agent.db files elsewhere and start again; the device then asks DPS anew, and what was waiting stays in the moved files',
  ],
  [/READONLY|PERM|CANTOPEN/, 'it cannot be written: check the owner and the mode of folder and files'],
  [/IOERR/, 'the disk answers with an error: check space, file-size limits and the disk itself'],
];

/** An ERR_AGENT_STATE that says what SQLite or the file system said about a file, and what to do. */
export function stateError(file: string, cause: unknown): DeviceAgentError {
  if (cause instanceof DeviceAgentError) return cause;
  const code = codeOf(cause);
  const meaning = meanings.find(([pattern]) => pattern.test(code))?.[1];
  const advice = meaning ?? "check that the folder can be written and the disk isn't full";
  return new DeviceAgentError('ERR_AGENT_STATE', `The agent's state ${file}: ${textOf(cause)}; ${advice}.`, { cause });
}

/** `SQLITE_BUSY`, `EACCES` and the like; empty where the error has none. */
export function codeOf(cause: unknown): string {
  return typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : '';
}
