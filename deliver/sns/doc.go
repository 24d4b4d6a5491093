// Package sns is the sink that publishes messages to topics of Amazon SNS.
//
// In come subscriptions (checked: topic, region, endpoint) and their messages; out go publishes that SNS has taken, or a
// verdict with the reason in words fit for a person. It owns what SNS asks of a message: its size, its attributes, and the
// group and the id by which a FIFO topic keeps order and drops repeats. The server's AWS credentials sign for AWS and for the
// operator's own endpoint, and for nobody else. docs/topics.md describes the messages to those who receive them.
package sns
