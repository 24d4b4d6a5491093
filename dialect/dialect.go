package dialect

import (
	"encoding/json"
	"time"

	"carillon"
)

// Dialect names and encodes the events of a change.
type Dialect interface {
	// Name is the dialect's word in subscriptions and URLs: "platform".
	Name() string

	// Events names what the change means, in the order in which it is told; nil if it means nothing in this
	// language. It is called for every change and subscription and must be cheap: no decoding, no allocation where
	// the names are known beforehand. The result must not be changed.
	Events(c *carillon.Change) []string

	// Types lists every event type of the language, for catalogues and for checking subscriptions' patterns.
	// Types whose names depend on an org's modules are given with their placeholder: "custom:{module}:created".
	Types() []Type

	// CheckSettings reads a subscription's settings. It fails with carillon.CodeInvalid naming members below /settings.
	CheckSettings(settings json.RawMessage) (Settings, error)

	// Encode renders one event of a change as a message. ev.Type is Events(ev.Change)[ev.Index].
	Encode(ev carillon.Event, s Settings) (carillon.Message, error)
}

// Batcher is a dialect that can put several events into one message.
type Batcher interface {
	Dialect
	// EncodeBatch renders events (one or more, of any lanes, in order) as one message whose id depends on the events only.
	EncodeBatch(events []carillon.Event, s Settings) (carillon.Message, error)
}

// RetryDefault is a dialect whose vendor has habits of its own in trying again. They hold for subscriptions that name no
// schedule.
type RetryDefault interface {
	Dialect
	// RetrySchedule is the waiting time before each further attempt. The result must not be changed.
	RetrySchedule() []time.Duration
}

// Settings are a subscription's settings as its dialect has read them; nil where it needs none.
type Settings any

// Type describes one event type for the catalogue.
type Type struct {
	Name        string
	Kind        carillon.Kind
	Description string // a sentence
	// Schema is the JSON Schema (2020-12) of the message's body.
	Schema json.RawMessage
}
