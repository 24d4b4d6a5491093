// Package carillon holds the nouns of the house: kinds and their field tables, records, changes,
// events, subscriptions, attempts, keys and errors.
//
// It owns no behaviour beyond what follows from the nouns themselves, imports the standard library
// only, and is imported by every other room. A change walks
//
//	api | intake | bulk → ledger.Apply → the log → deliver → dialect → sign → sink
//
// and each of those rooms speaks to the next in the words defined here.
package carillon
