// Package nats is the sink that publishes messages to NATS JetStream.
//
// In come subscriptions (checked: URL, subject) and their messages; out go publishes that a stream has stored, or the
// reason why not. A retry carries the same Nats-Msg-Id, so a stream drops what it has already. docs/topics.md describes the
// messages to those who receive them.
package nats
