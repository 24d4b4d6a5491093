// Package cloudevents tells the platform's events as CloudEvents 1.0.2, in structured, binary and batched content mode:
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
//
// A change enters; messages leave whose type is the platform's event name and whose data is the platform's payload,
// spliced from the change's stored bytes. It owns the context attributes (attribute.go), what a subscription may choose
// (settings.go), and the schemas (schema.go). Events of the same types enter as well, in all three modes (decode.go).
package cloudevents
