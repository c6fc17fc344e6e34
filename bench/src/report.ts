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

/** Several tables of one run. */
export interface Sheet {
  readonly title: string;
  /** What could not be measured here, and why. */
  readonly skipped: readonly string[];
  readonly sections: readonly {
    readonly title: string;
    readonly columns: readonly string[];
    readonly rows: readonly (readonly string[])[];
  }[];
  /** For `--json`. */
  readonly values: Readonly<Record<string, number>>;
}

/** `full` asks for everything, however long it takes. */
export type Bench = (progress: (text: string) => void, options: { readonly full: boolean }) => Promise<Table | Sheet>;

/** Text for people; with `json`, one line with the values. */
export function showSheet({ title, skipped, sections, values }: Sheet, { json }: { json: boolean }): void {
  if (json) {
    process.stdout.write(`${JSON.stringify({ title, ...values, ...(skipped.length > 0 && { skipped }) })}\n`);
    return;
  }
  const lines = ['', title];
  for (const section of sections) {
    lines.push('', section.title);
    for (const [first = '', ...cells] of [section.columns, ...section.rows]) {
      lines.push(`${first.padEnd(44)}${cells.map((cell) => cell.padStart(13)).join('')}`);
    }
  }
  lines.push('', ...Object.entries(values).map(([name, value]) => `${name.padEnd(44)}${String(value).padStart(13)}`));
  lines.push(...skipped.map((text) => `Skipped: ${text}`), '');
  process.stdout.write(lines.join('\n'));
}

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

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
