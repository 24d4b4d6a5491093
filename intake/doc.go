// Package intake is the side door: it takes the webhooks that vendors send.
//
// In come requests to /in/{connection}; each is verified, stored in the inbox and only then answered, so that nothing
// that was answered with 2xx is ever lost. A worker for each connection that has something waiting reads what the
// deliveries tell (package dialect), puts it in the order of the vendor's own times, holds it against the records
// as they stand, and hands the differences to the ledger, each event once. What cannot be read or applied is
// quarantined: visible, with the reason, and can be run again. docs/design/intake.md tells how and why.
package intake
