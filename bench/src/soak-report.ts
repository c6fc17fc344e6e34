/** Taken while every agent is connected and has nothing to do, after garbage collection. */
export interface SoakSample {
  readonly reconnects: number;
  readonly heapMiB: number;
  readonly residentMiB: number;
  /** Sockets, timers and the like that Node holds open. */
  readonly handles: number;
  /** On the process, and for the end of what agents wait for. */
  readonly listeners: number;
}

/** What a run came to; growth by the line that fits the samples after the warm-up best, from its begin to its end. */
export interface SoakReport {
  readonly reconnects: number;
  readonly heapGrowthMiB: number;
  readonly residentGrowthMiB: number;
  readonly handleGrowth: number;
  readonly listenerGrowth: number;
  /** Empty where memory is flat. */
  readonly findings: readonly string[];
}

/** However many reconnects there were. */
export const bounds = { heapGrowthMiB: 1, residentGrowthMiB: 16, handleGrowth: 0, listenerGrowth: 0 };

/** The share of the samples in which code is compiled and caches fill. */
const warmUpShare = 1 / 3;

/** @param samples - at least six, at equal distances */
export function judgeSoak(samples: readonly SoakSample[]): SoakReport {
  const counted = samples.slice(Math.floor(samples.length * warmUpShare));
  const growth = (name: keyof SoakSample): number => Number(rise(counted.map((sample) => sample[name])).toFixed(2));
  const change = (name: keyof SoakSample): number => (counted.at(-1)?.[name] ?? NaN) - (counted[0]?.[name] ?? NaN);
  const grown = {
    heapGrowthMiB: growth('heapMiB'),
    residentGrowthMiB: growth('residentMiB'),
    handleGrowth: change('handles'),
    listenerGrowth: change('listeners'),
  };
  const findings = Object.entries(bounds)
    .map(([name, bound]) => ({ name, bound, value: grown[name as keyof typeof grown] }))
    // What isn't a number isn't flat either.
    .filter(({ value, bound }) => !(value <= bound))
    .map(({ name, bound, value }) => `${name} is ${String(value)}, and at most ${String(bound)} is flat`);
  return { reconnects: samples.at(-1)?.reconnects ?? 0, ...grown, findings };
}

/** From the first to the last value on the line of least squares. */
function rise(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  let above = 0;
  let below = 0;
  for (const [index, value] of values.entries()) {
    above += (index - middle) * (value - mean);
    below += (index - middle) ** 2;
  }
  return (above / below) * (values.length - 1);
}
