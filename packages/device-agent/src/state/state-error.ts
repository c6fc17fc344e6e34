import { DeviceAgentError, textOf } from '../errors.ts';

export const damagedAdvice =
  'Check the disk, move the agent.db files elsewhere and start again: the device then asks DPS anew, and what was waiting stays in the moved files.';

/** What SQLite's and the file system's codes mean, and what whoever runs the device can do. */
const meanings: readonly { readonly codes: RegExp; readonly meaning: string; readonly advice: string }[] = [
  {
    codes: /FULL|ENOSPC|IOERR_SHM/,
    meaning: 'the disk is full',
    advice: 'Free space; the agent goes on by itself.',
  },
  {
    codes: /NOTADB|CORRUPT/,
    meaning: 'it is damaged, and nothing of it was deleted',
    advice: damagedAdvice,
  },
  {
    codes: /EEXIST|ENOTDIR/,
    meaning: 'a file stands where its folder should be',
    advice: 'Name another folder, or move that file.',
  },
  {
    codes: /READONLY|PERM|CANTOPEN|EACCES|EROFS/,
    meaning: 'it cannot be written',
    advice: 'Check the owner and the mode of the folder and its files.',
  },
  {
    codes: /IOERR/,
    meaning: 'the disk answered with an error',
    advice: 'Check its space, limits to file sizes, and the disk itself.',
  },
];

/** An ERR_AGENT_STATE that says what SQLite or the file system said about a file, and what to do. */
export function stateError(file: string, cause: unknown): DeviceAgentError {
  if (cause instanceof DeviceAgentError) return cause;
  const code = codeOf(cause);
  const { meaning, advice } = meanings.find(({ codes }) => codes.test(code)) ?? {
    meaning: 'it cannot be used',
    advice: 'Check that the folder can be written.',
  };
  return new DeviceAgentError('ERR_AGENT_STATE', `The agent's state ${file}: ${meaning} (${textOf(cause)}).`, {
    cause,
    advice,
  });
}

/** `SQLITE_BUSY`, `EACCES` and the like; empty where the error has none. */
export function codeOf(cause: unknown): string {
  return typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : '';
}

/** Whether SQLite had no space to write, or for the index of its log. */
export function isDiskFull(error: unknown): boolean {
  return error instanceof DeviceAgentError && /FULL|IOERR_SHM/.test(codeOf(error.cause));
}
