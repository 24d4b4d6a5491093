// Package sample makes up one plausible story per event of the platform's language: what a person does to make it happen.
//
// It owns the stories. An event type enters; out comes either the list of API writes that make the event happen for real
// (Story), or the change that the last of them would append (Change), for test sends, documentation and the dialects' own tests.
package sample
