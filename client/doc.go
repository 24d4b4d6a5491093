// Package client is the handbook for those who build against Carillon: a typed API client, and a Receiver for those
// who consume its webhooks. carillon's own commands speak to servers through it.
//
// Into a Client go calls; out come records, events and answers, or a *Problem that says what the server refused and
// where. Into a Receiver go signed requests; out go events to handlers: verified, once each, in order per lane.
package client
