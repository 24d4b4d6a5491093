// Package ledger is the desk: the only writer of records. Writes come in as JSON; out go records as they stand and
// changes in the log, in one durable transaction: validate → diff → store → append.
//
// Writers that come at the same time share one transaction (group commit), yet each succeeds or fails alone. The work
// is divided so that the shared part is short:
//
//	prepare   in each caller's goroutine: parse the body, check every member against the field table, put each value
//	          in its one canonical form (so that equal bytes mean equal values)
//	write     in Run's goroutine, in a store transaction: merge, compare, check what needs the store (versions,
//	          references, definitions), number the changes, all on a picture of the records in memory; an entry that
//	          fails is undone from a journal
//	flush     the picture goes to the store in bulk
//
// The ledger also keeps the orgs' custom field definitions and value lists, because it is what checks against them.
package ledger
