// Package smarterpay speaks SmarterPay Cloud's V2 webhooks about customer accounts, customer_account.create and
// customer_account.update: https://wiki.smarterpay.com, "Customer Account Event" and "V2 Webhook Structure".
//
// Changes of accounts enter; webhooks of one or more events leave, with ids in the vendor's shape (id.go). The other way, the
// vendor's webhooks enter, and what they say of accounts leaves (decode.go). What an event says, where it comes from and what becomes
// of it is one table to be read beside the vendor's page (customer_account.go).
//
// What the vendor sends of a record and the house has no place for is in the record's extra, under "smarterpay": an
// object of the vendor's own members. Its id, created_at, created_by, client, gift_aid and all members that this package does not
// know go out again as they came; event_source, edited_at and edited_by only with changes that came from the vendor; metadata, and
// texts of several lines, as long as they say the same as the record.
package smarterpay
