// Package history is the reading room: what happened to an account, what stood where at a moment, and which accounts
// belong to which.
//
// It owns no data. In come an org and an account; out go read models made from the log and the records of the store.
package history
