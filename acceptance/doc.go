// Package acceptance holds the house to its promises from outside: it builds the binary, runs it as users do, writes
// over HTTP, receives webhooks, and pulls the plug. It has no code but tests.
//
// The sizes are those of the gate; -updates and -kills raise them:
//
//	go test ./acceptance -run Order -updates 20000
//	go test ./acceptance -run DeadEndpoint -behind 100000
//	go test ./acceptance -run Latency -latency -updates 20000 -v
//	go test ./acceptance -run Crash -kills 20 -updates 20000
package acceptance
