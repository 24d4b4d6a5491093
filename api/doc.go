// Package api is the front door: REST under /v1, live events by SSE, and the OpenAPI document of both.
//
// In come HTTP requests; they leave as writes to the ledger, orders to the delivery desk and reads of the store and
// of history. routes.go is the one list of routes: each line is at once what the mux serves and what the document says.
// A handler returns an error and the wrapper in error.go writes it as an RFC 9457 problem.
package api
