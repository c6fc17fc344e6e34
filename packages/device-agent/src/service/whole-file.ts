import { randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';

/** Writes a file whole or not at all: whoever reads it at any time finds the old or the new one. */
export async function writeWholeFile(
  file: string,
  contents: string | Uint8Array,
  { mode, isDurable }: { readonly mode: number; readonly isDurable: boolean },
): Promise<void> {
  const temporary = `${file}.${randomUUID().slice(0, 8)}.tmp`;
  const handle = await open(temporary, 'wx', 0o600);
  try {
    await handle.writeFile(contents);
    // Whatever the process's umask is.
    await handle.chmod(mode);
    if (isDurable) await handle.sync();
    await handle.close();
    await rename(temporary, file);
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw error;
  }
}
