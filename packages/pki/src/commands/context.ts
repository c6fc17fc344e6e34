import { hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import type { CertificateAuthority } from '../authority.ts';
import { openInventory, openPostgresInventory, type Inventory, type Responsible } from '../inventory/index.ts';
import type { KeyAlgorithm } from '../key-algorithm.ts';
import type { Output } from './output.ts';
import { withAuthority } from './authority-key.ts';
import { addPasswordOption } from './password.ts';
import { addTokenOptions, type TokenFlags } from './token.ts';

/** What the commands share. */
export interface CommandContext {
  output: Output;
  /** Where progress is drawn, if that is a terminal. */
  stderr: NodeJS.WriteStream;
}

/** Options that every command has. */
export interface FolderFlags {
  folder: string;
}

/** Options of every command that reads or writes the inventory. */
export interface InventoryFlags extends FolderFlags {
  inventory?: string;
  /** The root's inventory, which has its lines, and not that of the lines' devices. */
  root?: boolean;
  station: string;
  orderedBy: string;
}

/** Options of every command that signs with a line's key. */
export interface LineFlags extends InventoryFlags, TokenFlags {
  line: string;
  linePasswordFile?: string;
}

/** The folder's file names begin with this for the root authority. */
export const rootName = 'root';

export function addFolderOptions(command: Command): Command {
  return command
    .option('--folder <folder>', 'where authorities and inventory are kept', 'pki')
    .option('--json', 'one JSON object a line, the last one {"result":...} or {"error":...}');
}

/** Names of inventories in the folder: of the lines' devices, and of the root's lines. */
const inventoryFile = { devices: 'inventory.db', lines: 'root-inventory.db' } as const;

/** @param of - whose certificates the command writes down, or asks about unless it is given `--root` */
export function addInventoryOptions(command: Command, of: keyof typeof inventoryFile = 'devices'): Command {
  const user = userInfo().username;
  return addFolderOptions(command)
    .option(
      '--inventory <file|url>',
      `a file, or postgres://user@host/database (default: {folder}/${inventoryFile[of]})`,
    )
    .option('--station <name>', "this machine's name in the inventory", hostname().slice(0, 64))
    .option('--ordered-by <text>', 'purchase order, ticket or person, for the inventory', user);
}

export function addRootOption(command: Command): Command {
  return command.option('--root', `about the root's lines, and not about devices: {folder}/${inventoryFile.lines}`);
}

/** Opens the inventory for as long as the work takes. With `mustExist` a missing one is not made: for who looks into it, or changes what is there. */
export async function withInventory<T>(
  flags: InventoryFlags,
  work: (inventory: Inventory) => Promise<T>,
  options: { mustExist?: boolean } = {},
): Promise<T> {
  const place = flags.inventory ?? join(flags.folder, inventoryFile[flags.root ? 'lines' : 'devices']);
  const open = /^postgres(ql)?:/.test(place) ? openPostgresInventory : openInventory;
  const inventory = await open(place, options);
  try {
    return await work(inventory);
  } finally {
    await inventory.close();
  }
}

/** Options of a command that signs with a line's key. */
export function addLineOptions(command: Command, what: string): Command {
  return addLineKeyOptions(command.requiredOption('--line <name>', what), "the line's");
}

/** @param whose - whose key may be in a token */
export function addLineKeyOptions(command: Command, whose: string): Command {
  return addTokenOptions(addPasswordOption(command, 'line', "of the line's key"), whose);
}

/** Opens the line for as long as the work takes. */
export function withLine<T>(
  output: Output,
  flags: LineFlags,
  work: (line: CertificateAuthority) => Promise<T>,
): Promise<T> {
  const place = { ...flags, name: flags.line, kind: 'line', passwordFile: flags.linePasswordFile } as const;
  return withAuthority(output, place, work);
}

export function responsibleOf({ station, orderedBy }: InventoryFlags): Responsible {
  return { station, orderedBy };
}

/** For commander: a number of days above 0. */
export function parseDays(text: string): number {
  const days = Number(/^(\d+(?:\.\d+)?)d?$/.exec(text)?.[1]);
  if (!(days > 0)) throw new InvalidArgumentError('Give a number of days above 0, such as 30.');
  return days;
}

/** For commander: a whole number from 1. */
export function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError('Give a whole number from 1.');
  return count;
}

export const keyAlgorithms: readonly KeyAlgorithm[] = ['P-256', 'P-384', 'RSA-2048', 'RSA-3072', 'RSA-4096'];

export const dayMs = 86_400_000;
