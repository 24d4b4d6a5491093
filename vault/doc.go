// Package vault seals the secrets that the archive keeps: signing secrets, passwords and tokens of endpoints.
//
// It owns the key. Plaintext and the name of the place it is kept at enter, sealed bytes leave, and back again; a sealed
// value that was moved to another place does not open. The cipher is AES-256-GCM in Tink's wire format, so that keys can
// be rotated: a keyset seals with its primary key and opens with any.
package vault
