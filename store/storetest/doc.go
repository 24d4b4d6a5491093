// Package storetest is the archive's contract as tests: what package store promises in comments, every engine proves here.
//
// An engine calls Run with a function that opens an empty store. A change of the contract begins in this package.
package storetest
