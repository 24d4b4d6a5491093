// Package store is the archive's contract: what an engine must promise to keep records, the change log and
// everything else the house remembers.
//
// Implementations live below it (sqlstore: SQLite and PostgreSQL from one SQL body); storetest is the contract's
// real definition and every engine passes it. Engines translate their drivers' errors at the border: callers see
// *carillon.Error codes only (not_found, conflict, unavailable), anything else is an internal error.
package store
