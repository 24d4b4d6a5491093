// Package egress is the way out: it decides where the house may connect to.
//
// In come URLs and hosts that strangers configured; out go dialers and transports that reach public addresses only, and
// words for a person when a connection did not come about. It looks twice: at what is written when it is configured, and
// at the address itself when it is dialled. A sink that connects by itself, past this room, is a hole.
package egress
