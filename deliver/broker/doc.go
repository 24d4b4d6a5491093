// Package broker holds what the sinks of message brokers (amqp, kafka, nats) have in common.
//
// In come subscriptions and their messages; out go calls of Connection.Publish, and back a verdict with the reason in
// words fit for a person. It owns the connection's life: made when a message wants to go, shared by all sends of a
// subscription, made anew after it was lost (never faster than the back-off), dropped when idle, so that a thousand quiet
// subscriptions cost nothing. It also reads what their sinks share: URLs with credentials, which no error repeats, and
// addresses with placeholders. docs/topics.md describes the messages to those who receive them.
package broker
