import type { Fault, FaultKind, FaultScope } from './fault.ts';
import { readFault } from './fault-json.ts';
import { seededRandom } from './seeded-random.ts';

/** What a user of the emulator does with faults. */
export interface EmulatorFaults {
  /** Begins at once; what it returns ends it. @throws {EmulatorError} ERR_EMULATOR_FAULT */
  add(fault: Fault): () => void;
  /** What goes wrong now, with numbers by which it can be removed. */
  list(): readonly NumberedFault[];
  /** Ends a fault by its number; false where there is none. */
  remove(id: number): boolean;
  clear(): void;
}

/** A fault that is on. */
export interface NumberedFault {
  readonly id: number;
  readonly fault: Fault;
  /** How many requests, packets and connections it has met. */
  readonly met: number;
}

/** Whom or what a fault may meet. */
export interface FaultSubject {
  readonly hub?: string | undefined;
  readonly dps?: string | undefined;
  readonly deviceId?: string | undefined;
}

/** A fault by its kind. */
export type FaultOf<Kind extends FaultKind> = Extract<Fault, { readonly kind: Kind }>;

/** A fault that met somebody. */
export interface Hit<Kind extends FaultKind = FaultKind> {
  readonly fault: FaultOf<Kind> & FaultScope;
  /** Resolves when the fault is over. */
  readonly over: Promise<void>;
  /** Ends it. */
  readonly end: () => void;
}

interface Entry {
  readonly id: number;
  readonly fault: Fault;
  readonly random: () => number;
  readonly over: Promise<void>;
  readonly end: () => void;
  met: number;
}

/** Called when a fault begins; what it returns is called when it ends. */
type Listener = (fault: Fault, hit: Hit) => (() => void) | undefined;

/** All that goes wrong on request. Whoever can let it happen asks {@link meet} whether it has to. */
export class FaultRegistry implements EmulatorFaults {
  readonly #entries = new Map<number, Entry>();
  readonly #listeners = new Set<Listener>();
  #lastId = 0;

  add(fault: Fault): () => void {
    const id = (this.#lastId += 1);
    let over: () => void = () => undefined;
    const done = new Promise<void>((resolve) => (over = resolve));
    const undo: ((() => void) | undefined)[] = [];
    const checked = readFault(fault);
    const end = (): void => {
      if (!this.#entries.delete(id)) return;
      for (const step of undo) step?.();
      over();
    };
    const entry: Entry = { id, fault: checked, random: seededRandom(checked.seed ?? 1), over: done, end, met: 0 };
    this.#entries.set(id, entry);
    for (const listener of this.#listeners) undo.push(listener(checked, hitOf(entry)));
    return end;
  }

  /** True while nothing goes wrong: asked for each packet. */
  get isQuiet(): boolean {
    return this.#entries.size === 0;
  }

  list(): readonly NumberedFault[] {
    return [...this.#entries.values()].map(({ id, fault, met }) => ({ id, fault, met }));
  }

  remove(id: number): boolean {
    const entry = this.#entries.get(id);
    entry?.end();
    return entry !== undefined;
  }

  clear(): void {
    for (const { end } of [...this.#entries.values()]) end();
  }

  /** Tells a listener of each fault that begins from now on; what it returns ends that. */
  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The first fault of these kinds that has to meet the subject now; it counts. */
  meet<Kind extends FaultKind>(
    kinds: readonly Kind[],
    subject: FaultSubject,
    isMeant: (fault: FaultOf<Kind>) => boolean = () => true,
  ): Hit<Kind> | undefined {
    if (this.isQuiet) return undefined;
    for (const entry of this.#entries.values()) {
      const fault = entry.fault as FaultOf<Kind> & FaultScope;
      if (!kinds.includes(fault.kind) || !isInScope(fault, subject) || !isMeant(fault)) continue;
      if (!this.#draw(entry)) continue;
      return hitOf(entry) as unknown as Hit<Kind>;
    }
    return undefined;
  }

  /** Whether a fault that has just begun meets a subject that was there before. */
  meetsNow({ fault }: Hit, subject: FaultSubject): boolean {
    const entry = [...this.#entries.values()].find((candidate) => candidate.fault === fault);
    return entry !== undefined && isInScope(fault, subject) && this.#draw(entry);
  }

  #draw(entry: Entry): boolean {
    const { share = 1, times = Infinity } = entry.fault;
    if (entry.met >= times || (share < 1 && entry.random() >= share)) return false;
    entry.met += 1;
    if (entry.met >= times) queueMicrotask(entry.end);
    return true;
  }
}

function hitOf({ fault, over, end }: Entry): Hit {
  return { fault, over, end };
}

/** A hub's fault doesn't meet DPS, and the other way round. */
function isInScope({ hub, dps, deviceId }: FaultScope, subject: FaultSubject): boolean {
  const isAmong = (wanted: string | undefined, found: string | undefined): boolean =>
    wanted === undefined || wanted.toLowerCase() === found?.toLowerCase();
  const isNamed = hub === undefined ? dps === undefined : isAmong(hub, subject.hub);
  if (!isNamed && !(dps !== undefined && isAmong(dps, subject.dps))) return false;
  return deviceId === undefined || deviceId === subject.deviceId;
}
