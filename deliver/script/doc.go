// Package script hands messages to apps: the sink "app".
//
// It owns nothing but the verdicts. A subscription with {"type": "app", "app": "app_…"} enters; what the Invoker says of each of its
// messages (package apps/workshop is one, and cmd hands it in) leaves as a deliver.Result, so that order per account, retries, dead
// letters and replay are those of webhooks.
package script
