import { closeSync, fsync, fsyncSync, openSync } from 'node:fs';
import { promisify } from 'node:util';

/** Something that has to be on disk before what comes next: whoever meets it waits for it here, or beside other work. */
export interface DiskWait {
  now(): void;
  later(): Promise<void>;
}

const fsyncLater = promisify(fsync);

/** Of a file, or of a folder's entries. */
export function diskWait(path: string): DiskWait {
  return {
    now: () => {
      const descriptor = openSync(path, 'r');
      fsyncSync(descriptor);
      closeSync(descriptor);
    },
    later: async () => {
      const descriptor = openSync(path, 'r');
      try {
        await fsyncLater(descriptor);
      } finally {
        closeSync(descriptor);
      }
    },
  };
}
