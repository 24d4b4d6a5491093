// Package dialecttest is the dialects' contract as a suite: what a dialect must hold to be told apart from a mistake.
//
// A dialect and changes that bring out each of its events enter (Run), or what a decoder needs to read again what its dialect tells
// (RunDecoder, FuzzDecode); test failures leave. Every dialect runs it.
package dialecttest
