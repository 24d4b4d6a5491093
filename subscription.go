package carillon

import (
	"encoding/json"
	"time"
)

// SinkType is where messages go.
type SinkType string

// The sinks.
const (
	SinkWebhook SinkType = "webhook"
	SinkSNS     SinkType = "sns"
	SinkNATS    SinkType = "nats"
	SinkAMQP    SinkType = "amqp"
	SinkKafka   SinkType = "kafka"
	SinkApp     SinkType = "app"
)

// State is how a subscription fares.
type State string

// The states.
const (
	StateActive   State = "active"
	StatePaused   State = "paused"   // by a person; the cursor waits
	StateDegraded State = "degraded" // active, but the circuit is open: everything to the endpoint fails
	StateDisabled State = "disabled" // the endpoint answered 410, or never anything else than failure; a person resumes it
)

// Subscription is who wants which events, in which dialect, into which sink. Its progress is a Cursor.
type Subscription struct {
	ID      string
	Org     string
	Name    string
	Dialect string
	// Events are patterns over event types: exact, or with * for any run of characters. Empty means all.
	Events []string
	// Filter is an expression over event and payload; empty means all.
	Filter   string
	Sink     Sink
	Start    Start
	Batch    Batch
	Settings json.RawMessage // what the dialect needs; an object or nil
	// Concurrency bounds messages in flight (default 64); RatePerSecond messages a second (0: none).
	Concurrency   int
	RatePerSecond float64
	OnGiveUp      OnGiveUp
	// Echo also tells changes that came from a connection in the same vendor's dialect, which so feeds the same system.
	Echo  bool
	Retry Retry
	// Secrets sign webhooks, newest first. The second one is still used until SecretExpiresAt after a rotation.
	Secrets         []string
	SecretExpiresAt time.Time
	// Paused and Disabled are set by people and by 410; DisabledReason says why in words.
	Paused         bool
	Disabled       bool
	DisabledReason string
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

// Sink is where a subscription's messages go. The members in use depend on Type.
type Sink struct {
	Type SinkType `json:"type"`
	URL  string   `json:"url,omitzero"` // webhook, nats, amqp

	ContentType string `json:"contentType,omitzero"` // webhook: application/json, or application/x-www-form-urlencoded where the dialect knows it
	Auth        *Auth  `json:"auth,omitzero"`        // webhook, kafka

	TopicARN   string   `json:"topicArn,omitzero"` // sns
	Region     string   `json:"region,omitzero"`   // sns
	Endpoint   string   `json:"endpoint,omitzero"` // sns: another server than AWS
	Subject    string   `json:"subject,omitzero"`  // nats
	Exchange   string   `json:"exchange,omitzero"` // amqp
	RoutingKey string   `json:"routingKey,omitzero"`
	Brokers    []string `json:"brokers,omitzero"` // kafka
	Topic      string   `json:"topic,omitzero"`   // kafka
	TLS        bool     `json:"tls,omitzero"`     // kafka
	App        string   `json:"app,omitzero"`     // app
}

// Auth is how a webhook authenticates itself, beside its signature, and a Kafka producer (basic only). Secret members are sealed at rest and masked when shown.
type Auth struct {
	Type     string `json:"type"` // basic, bearer, header
	Username string `json:"username,omitzero"`
	Password string `json:"password,omitzero"`
	Token    string `json:"token,omitzero"`
	Name     string `json:"name,omitzero"` // header
	Value    string `json:"value,omitzero"`
}

// StartMode is where a new subscription begins.
type StartMode string

// The starts.
const (
	StartNow       StartMode = "now"
	StartBeginning StartMode = "beginning"
	StartSnapshot  StartMode = "snapshot" // first what exists, as created events; then what happens, without gap or overlap
	StartSeq       StartMode = "seq"      // with change Start.Seq
)

// Start is where a new subscription begins. Seq belongs to StartSeq; for StartSnapshot the engine notes in it as of which
// change the snapshot is.
type Start struct {
	Mode StartMode
	Seq  int64
}

// Batch bounds how many events go in one message. Max 1 means no batches; Wait is how long a batch may wait to fill.
type Batch struct {
	Max  int
	Wait time.Duration
}

// OnGiveUp is what becomes of a lane whose head used up its schedule.
type OnGiveUp string

// The fates of a lane.
const (
	GiveUpContinue OnGiveUp = "continue" // the message becomes a dead letter and the lane goes on
	GiveUpBlock    OnGiveUp = "block"    // the message becomes a dead letter and the lane waits for a person
)

// Retry is the waiting time before each further attempt. Each is jittered by ±10 %.
type Retry struct {
	Schedule []time.Duration
}

// DefaultSchedule spans three days.
var DefaultSchedule = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
	10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}
