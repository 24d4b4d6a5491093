// Package neon speaks the language of Neon CRM's account webhooks (API v1 reference, "Account Webhooks"): createAccount,
// editAccount and deleteAccount, with an individual or an organization account inside.
//
// A change of an account enters; its event and message leave. What the vendor's objects hold and where it comes from are
// tables in the vendor's order (account.go, contact.go, address.go), to be read beside the vendor's page. What a Neon
// connection once sent and the house has no place for comes from the record's extra, under "neon": an object like the
// vendor's account object, with what is left of it.
package neon
