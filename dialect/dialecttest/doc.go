// Package dialecttest is the dialects' contract as a suite: what a dialect must hold to be told apart from a mistake.
//
// A dialect and changes that bring out each of its events enter (Run); test failures leave. Every dialect runs it.
package dialecttest
