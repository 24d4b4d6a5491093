// Package webhook is the sink that posts messages to HTTP endpoints.
//
// In come subscriptions (checked: URL, auth) and their messages; out go signed POST requests, and back a verdict with
// the reason in words fit for a person. It owns what must never happen on the way: a request to an address inside our
// own network, a redirect followed, an answer without bound in size or time, a secret in an error.
// docs/webhooks.md describes the requests to those who receive them.
package webhook
