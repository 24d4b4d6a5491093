// Package kafka is the sink that produces records to a Kafka topic.
//
// In come subscriptions (checked: brokers, topic, auth) and their messages; out go records that all in-sync replicas have,
// or the reason why not. A record's key is the message's lane, so a lane stays in one partition and in order. The producer
// is idempotent: what it repeats by itself is stored once. docs/topics.md describes the records to those who receive them.
package kafka
