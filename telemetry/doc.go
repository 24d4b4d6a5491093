// Package telemetry is the house's instruments: metrics for Prometheus, traces for OpenTelemetry, and how the log is
// written.
//
// In come requests, attempts and commits, each by one cheap call; out go numbers on a scrape and spans to a collector.
// It changes nothing and nobody below knows it: other rooms offer hooks, and cmd/carillon connects them here.
package telemetry
