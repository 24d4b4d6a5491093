// Package console is the window: pages for people, rendered on the server and kept live by server-sent events.
//
// In come requests of signed-in people (an API key opens a session; the key's org is all they see) and the log as it
// grows; out goes HTML. The console reads and never writes. Everything it serves is embedded: no script, style, font or
// picture comes from elsewhere, and the content security policy says so.
package console
