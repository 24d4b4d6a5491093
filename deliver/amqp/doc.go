// Package amqp is the sink that publishes messages to an AMQP 0-9-1 broker such as RabbitMQ.
//
// In come subscriptions (checked: URL, exchange, routing key) and their messages; out go persistent publishes that the
// broker has confirmed and routed to a queue, or the reason why not. A message that no queue wants is not lost: the broker
// returns it. docs/topics.md describes the messages to those who receive them.
package amqp
