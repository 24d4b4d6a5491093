// Package delivertest holds what tests and demonstrations of delivery need: RunSink, the suite that every deliver.Sink
// passes and which is the real definition of that contract, and Receiver, a webhook endpoint that remembers what came,
// in which order, and fails when told to.
package delivertest
