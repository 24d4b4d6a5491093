// Package neon speaks the language of Neon CRM's account webhooks (API v1 reference, "Account Webhooks"): createAccount,
// editAccount and deleteAccount, with an individual or an organization account inside.
//
// A change of an account enters; its event and message leave. The other way, the vendor's webhooks enter, and what they say of accounts
// leaves (decode.go). What the vendor's objects hold, where it comes from and what becomes of it are tables in the vendor's order
// (account.go, contact.go, address.go), to be read beside the vendor's page. What Neon sends and the house has no place for, or only in
// another form, is in the record's extra, under "neon": an object like the vendor's account object, with what is left of it.
package neon
