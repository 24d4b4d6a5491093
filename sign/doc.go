// Package sign is the seal: signatures of webhooks, in both directions.
//
// In go an id, a time and a body; out comes the header that proves where they come from, or the reason why it does
// not. The house's scheme is Standard Webhooks 1.0.0 with symmetric secrets (HMAC-SHA256, "v1"):
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
// Vendors' own schemes stand beside it, one file each.
package sign
