/** What a parameter or a column may hold in both engines. */
export type SqlValue = string | number | Uint8Array | null;

/** Runs SQL with parameters `?1`, `?2`, and so on. */
export interface Queryable {
  query<Row>(sql: string, parameters?: readonly SqlValue[]): Promise<Row[]>;
  /** Several statements in one go are taken where there are no parameters. @returns how many rows were changed */
  run(sql: string, parameters?: readonly SqlValue[]): Promise<number>;
}

/** A database engine as the inventory needs it: the only thing in which libsql and PostgreSQL differ. */
export interface Database extends Queryable {
  /** The SQL in which the engines have no common words. */
  readonly dialect: Dialect;
  /**
   * One writer at a time, over all stations. When it resolves, the work is on disk; when it rejects, nothing of it is.
   *
   * @throws {UniqueViolation}
   */
  transaction<T>(work: (transaction: Queryable) => Promise<T>): Promise<T>;
  /** Reads the inventory as it is when the work begins, whatever others write meanwhile, who don't wait for it. */
  snapshot<T>(work: (snapshot: Queryable) => Promise<T>): Promise<T>;
  /** Held until it is given back, or this process ends in whatever way; undefined: somebody else holds it. */
  lock(name: string): Promise<Lock | undefined>;
  close(): Promise<void>;
}

/** A name that one program at a time has. */
export interface Lock {
  /** False: the engine has given it back on its own, and somebody else may hold it by now. */
  readonly isHeld: boolean;
  /** As Database has it; nothing is written once the lock is lost, even if nobody has noticed that yet. */
  readonly transaction: Database['transaction'];
  release(): Promise<void>;
}

export interface Dialect {
  /** What makes the tables, and all that belongs to them. */
  readonly schema: string;
  /** Rows with one column `name`: tables, indexes and triggers that are there. */
  readonly namesOfWhatIsThere: string;
  /** Rows from JSON, ?1: see `certificateJson` in issuing.ts; ?2: the id before the first, ?3: sequence of the audit entry. */
  readonly insertCertificates: string;
  /** JSON array of text, ?1, as rows with one column `value`. */
  readonly textRows: string;
  /** JSON array of pairs of text, ?1, as rows with columns `one` and `other`. */
  readonly pairRows: string;
}

/** A serial number or a registration ID with its generation is there already. */
export class UniqueViolation extends Error {
  constructor(options: ErrorOptions) {
    super('a unique value is there already', options);
    this.name = 'UniqueViolation';
  }
}

/** Runs what it is given one after the other. */
export function takeTurns(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const turn = last.then(work);
    last = turn.catch(() => undefined);
    return turn;
  };
}
