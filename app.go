package carillon

import (
	"encoding/json"
	"time"
)

// App is an installation of an app: its package, the values of its parameters, and how it fares.
type App struct {
	ID  string
	Org string
	// Name is what people call the installation.
	Name string
	// Version counts the packages: 1 as installed, one more with each upgrade.
	Version         int64
	PlatformVersion string // of the manifest: 2.0 to 2.3, or 3.0
	// Package is the zip. Lists do without it.
	Package []byte
	// IParams are the values of the installation parameters, a JSON object; those named in Secure are secrets.
	IParams json.RawMessage
	Secure  []string
	State   AppState
	Error   string // why it is disabled
	// ExternalToken is the secret part of the URL to which others post the app's external events.
	ExternalToken string
	// Subscriptions are the ids of the subscriptions that feed it.
	Subscriptions []string
	InstalledAt   time.Time
	UpdatedAt     time.Time
}

// AppState is how an installation fares.
type AppState string

// The states of an installation.
const (
	AppInstalled AppState = "installed"
	AppDisabled  AppState = "disabled" // its package does not run, or a subscription that feeds it is disabled
)

// Trigger is what made a handler run.
type Trigger string

// The triggers.
const (
	TriggerEvent    Trigger = "event"    // a change, through a subscription
	TriggerSetup    Trigger = "setup"    // the app was installed, upgraded or removed
	TriggerExternal Trigger = "external" // somebody posted to the app's target URL
	TriggerSchedule Trigger = "schedule" // a time that the app has set
	TriggerSimulate Trigger = "simulate" // a person tried it
)

// Invocation is one run of a handler, and what it said.
type Invocation struct {
	ID  string
	Org string
	App string
	// Position numbers the invocations of the archive in the order in which they were kept.
	Position int64
	At       time.Time
	Duration time.Duration
	Trigger  Trigger
	Product  string // or module
	Event    string // onContactCreate
	Handler  string // empty if nobody handles the event
	EventID  string // of the message; empty unless a change triggered it
	Failure  *AppFailure
	// Lines are what the handler told the console. Values of secure parameters are not in them.
	Lines []AppLine
	// Rendered is what renderData was given: an object with the members error and data, as far as they are there.
	Rendered json.RawMessage
}

// Failed reports whether the handler failed.
func (i *Invocation) Failed() bool { return i.Failure != nil }

// AppLine is what a handler told the console in one call.
type AppLine struct {
	At    time.Time `json:"at"`
	Level string    `json:"level"` // debug, info, warn or error
	Text  string    `json:"text"`
}

// AppFailure is how a handler failed, and where in the app's files.
type AppFailure struct {
	// Kind says it in one word: syntax, threw, timeout, memory, stack, stalled, payload, output, missing, engine.
	Kind    string `json:"kind"`
	Message string `json:"message"`
	// Faults name the members of a payload that is not what the event's schema says.
	Faults []Fault `json:"faults,omitempty"`
	File   string  `json:"file,omitzero"`   // "server/server.js"; empty if no line of the app is to blame
	Line   int     `json:"line,omitzero"`   // from 1
	Column int     `json:"column,omitzero"` // from 1, in characters
	Stack  string  `json:"stack,omitzero"`  // the app's own calls, one a line
}

// AppValue is an object that an app keeps under a key.
type AppValue struct {
	Org       string
	App       string
	Key       string
	Value     json.RawMessage
	ExpiresAt time.Time // zero: never
}

// AppSchedule is a time, or a row of times, at which an app wants to be called.
type AppSchedule struct {
	Org  string
	App  string
	Name string
	Data json.RawMessage // passed back with each call
	// At is when it is called next.
	At time.Time
	// Unit and Frequency say after how long again: every 2 hours. Unit is minutes, hours or days; empty: once.
	Unit      string
	Frequency int
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Recurring reports whether it is called more than once.
func (s *AppSchedule) Recurring() bool { return s.Unit != "" }
