// Package deliver is dispatch: it reads the log for every subscription, keeps order per lane, and hands messages to
// sinks until they are taken, parked for later, or given up.
//
// In come nudges that the log has grown and orders from people (pause, resume, replay); out go messages through
// Sinks, and checkpoints into the store. docs/design/delivery.md draws the states.
package deliver
