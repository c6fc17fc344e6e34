/** One way of doing the same thing, with how long each run took. */
export interface Measured {
  readonly way: string;
  readonly milliseconds: readonly number[];
}

/** What was measured in one run; ratios are against the first row. */
export interface Table {
  readonly title: string;
  readonly rows: readonly Measured[];
  /** Named ratios for `--json`: one row's median over another's. */
  readonly ratios: Readonly<Record<string, readonly [way: string, over: string]>>;
}

export type Bench = (progress: (text: string) => void) => Promise<Table>;

/** Text for people; with `json`, one line with the ratios and the medians. */
export function showTable({ title, rows, ratios }: Table, { json }: { json: boolean }): void {
  const medians = new Map(rows.map(({ way, milliseconds }) => [way, quantile(milliseconds, 0.5)]));
  const ratio = ([way, over]: readonly [string, string]): number =>
    round((medians.get(way) ?? NaN) / (medians.get(over) ?? NaN), 2);
  if (json) {
    const values = Object.fromEntries(Object.entries(ratios).map(([name, pair]) => [name, ratio(pair)]));
    const ms = Object.fromEntries([...medians].map(([way, median]) => [way, round(median, 1)]));
    process.stdout.write(`${JSON.stringify({ title, ...values, medianMs: ms })}\n`);
    return;
  }
  process.stdout.write(
    `\n${title}\n${'way'.padEnd(44)}${'median'.padStart(10)}${'p95'.padStart(10)}${'ratio'.padStart(8)}\n`,
  );
  const base = rows[0]?.way ?? '';
  for (const { way, milliseconds } of rows) {
    const cells = [`${round(quantile(milliseconds, 0.5), 1)} ms`, `${round(quantile(milliseconds, 0.95), 1)} ms`];
    process.stdout.write(
      `${way.padEnd(44)}${cells.map((cell) => cell.padStart(10)).join('')}${String(ratio([way, base])).padStart(8)}\n`,
    );
  }
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
