// Package bench measures the house against its budget: the real server as a process of its own, on the durable store,
// with load and sink on the same machine.
//
// In go a program to start and the rows that are wanted; out come measures, each beside a limit that was measured in
// the same run: what a handler does without a store, what a plain client can post to the same sink. docs/performance.md
// says how to read them.
package bench
