// Package dialect is the translators' contract: how a vendor's language names and encodes what a change means.
//
// A dialect is pure: the same change and settings give the same bytes for ever, so that a retry or a replay is
// rendered again, never stored. Dialects live below (platform, …), each passes dialecttest, and cmd/carillon wires
// them in one visible map.
package dialect
