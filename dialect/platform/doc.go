// Package platform speaks the account-event platform's own language: the 38 events of its two documents ("Account
// events", as webhooks and as published to the topic in AWS_SNS_TICKET_TOPIC_ARN), and the same grammar for the kinds those lack.
//
// A change enters; its event names and messages leave. Names are data (vocabulary.go), messages are spliced from the
// change's stored bytes (encode.go), schemas are made from the field tables (schema.go).
//
// What a platform posts enters; what it tells of records leaves. Events are taken out of what wraps them (decode.go),
// records are read by their field tables (record.go), values as what they plainly mean (value.go).
package platform
