// Package sqlstore keeps the archive in an SQL database: one body of portable SQL, and one file per engine for what truly
// differs (see flavor).
//
// Acts (functions over a store.Tx) enter through Update and queue to one committer, which runs those that wait together in
// one transaction with one fsync. What an act writes to records and log is held back in memory until the batch is complete
// (see pending), so that an act that fails leaves nothing to undo. Reads run beside, on connections of their own.
package sqlstore
