// What a database takes on the disk.

/** The state of the files of a database; all 0 in memory. */
export interface StorageStatistics {
  fileBytes: number;
  /** The write-ahead log. It shrinks when nothing is written for some seconds. */
  logBytes: number;
  /** At which queries and iterations that keep the log from being emptied are cut off. */
  logLimitBytes: number;
  /** Queries and iterations that hold a snapshot now, and with it the log. */
  readersHeld: number;
  /** How many of them were cut off since the database was opened. */
  readersCutOff: number;
  /** After a failed write to the disk: why nothing more becomes durable until the database is opened again. */
  fault?: string;
}
