// Package console is the window: pages for people, rendered on the server and kept live by server-sent events.
//
// In come requests of signed-in people (an API key opens a session; the key's org is all they see) and the log as it
// grows; out goes HTML. The console writes nothing itself; what people may do here
// (run a delivery again) it asks of the room whose work that is. Everything it serves is embedded: no script, style, font or
// picture comes from elsewhere, and the content security policy says so.
package console
