// Package ledger is the desk: the only writer of records. Writes come in as JSON; out go records as they stand and
// changes in the log, in one durable transaction: validate → diff → store → append.
//
// Writers that come at the same time share one transaction (group commit), yet each succeeds or fails alone.
package ledger
