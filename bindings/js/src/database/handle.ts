// Access to a database for other classes of this package, hidden from users.
import { wrongType } from '../check/error';
import type { NativeDatabase } from '../native/native';

/** A database from within the package. @internal */
export interface DatabaseHandle {
  readonly native: NativeDatabase;
  /** Whether a transaction of this database is open, or being opened. */
  isInTransaction(): boolean;
}

const handles = new WeakMap<object, DatabaseHandle>();

/** Remembers a database's handle. @internal */
export function registerHandle(database: object, handle: DatabaseHandle): void {
  handles.set(database, handle);
}

/** The handle of a database; undefined for any other value. @internal */
export function handleOf(value: unknown): DatabaseHandle | undefined {
  return typeof value === 'object' && value !== null ? handles.get(value) : undefined;
}

/** The handle of a database given as an argument. @internal */
export function checkDatabase(name: string, value: unknown): DatabaseHandle {
  const handle = handleOf(value);
  if (handle === undefined) throw wrongType(name, 'a VectrDB', value);
  return handle;
}

/** Whether the calling thread may read. A database in memory has one connection: waiting for it here would keep the
 *  transaction that holds it from ending. @internal */
export function isReadable(database: DatabaseHandle): boolean {
  return database.native.path !== null || !database.isInTransaction();
}
