package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	jsonv2 "github.com/go-json-experiment/json"

	"carillon"
	"carillon/deliver"
	"carillon/egress"
)

// Subscription is a subscription as people write and read it. The members below State are the house's: writes may
// carry them and they are ignored, so that what was read can be sent back.
type Subscription struct {
	Name        string          `json:"name,omitempty" maxLength:"255"`
	Dialect     string          `json:"dialect,omitempty" maxLength:"64" doc:"platform by default"`
	Events      []string        `json:"events,omitempty" nullable:"false" maxItems:"256" doc:"patterns over event types: exact, or with * for any run of characters; empty means all"`
	Filter      string          `json:"filter,omitempty" maxLength:"4096" doc:"an expression over event and payload; empty means all"`
	Sink        Sink            `json:"sink"`
	Start       *Start          `json:"start,omitempty"`
	Batch       *Batch          `json:"batch,omitempty"`
	Concurrency int             `json:"concurrency,omitempty" minimum:"0" maximum:"1024" doc:"messages in flight at a time; 64 by default"`
	Rate        float64         `json:"ratePerSecond,omitempty" minimum:"0" doc:"messages a second; 0 means no bound"`
	OnGiveUp    string          `json:"onGiveUp,omitempty" enum:"continue,block"`
	Echo        bool            `json:"echo,omitempty" doc:"also tell changes that came from the connection feeding the same system"`
	Retry       *Retry          `json:"retry,omitempty"`
	Settings    json.RawMessage `json:"settings,omitempty" doc:"what the dialect needs; an object"`

	ID              string         `json:"id,omitempty" readOnly:"true"`
	State           carillon.State `json:"state,omitempty" enum:"active,paused,degraded,disabled" readOnly:"true"`
	Cursor          int64          `json:"cursor,omitempty" readOnly:"true" doc:"every change up to here is settled"`
	Lag             int64          `json:"lag,omitempty" readOnly:"true" doc:"changes behind the head of the log"`
	ParkedLanes     int            `json:"parkedLanes,omitempty" readOnly:"true"`
	DeadLetters     int            `json:"deadLetters,omitempty" readOnly:"true"`
	Delivered       int64          `json:"delivered,omitempty" readOnly:"true"`
	Failed          int64          `json:"failed,omitempty" readOnly:"true"`
	LastError       string         `json:"lastError,omitempty" readOnly:"true"`
	DisabledReason  string         `json:"disabledReason,omitempty" readOnly:"true"`
	Replay          *Replay        `json:"replay,omitempty" readOnly:"true"`
	Secret          string         `json:"secret,omitempty" readOnly:"true" doc:"signs webhooks; shown on creation and rotation only"`
	SecretExpiresAt time.Time      `json:"secretExpiresAt,omitzero" readOnly:"true" doc:"until then the secret before the last rotation signs as well"`
	CreatedAt       time.Time      `json:"createdAt,omitzero" readOnly:"true"`
	UpdatedAt       time.Time      `json:"updatedAt,omitzero" readOnly:"true"`
}

// Sink is where messages go. Which members it needs depends on its type.
type Sink struct {
	Type        carillon.SinkType `json:"type" enum:"webhook,sns,nats,amqp,kafka,app"`
	URL         string            `json:"url,omitempty" maxLength:"2048" doc:"a password in it is shown as ********; sent back like that it stays what it is as long as user and server do"`
	ContentType string            `json:"contentType,omitempty" maxLength:"255"`
	Auth        *Auth             `json:"auth,omitempty"`
	TopicARN    string            `json:"topicArn,omitempty" maxLength:"2048"`
	Region      string            `json:"region,omitempty" maxLength:"255"`
	Endpoint    string            `json:"endpoint,omitempty" maxLength:"2048"`
	Subject     string            `json:"subject,omitempty" maxLength:"255"`
	Exchange    string            `json:"exchange,omitempty" maxLength:"255"`
	RoutingKey  string            `json:"routingKey,omitempty" maxLength:"255"`
	Brokers     []string          `json:"brokers,omitempty" nullable:"false" maxItems:"64"`
	Topic       string            `json:"topic,omitempty" maxLength:"255"`
	TLS         bool              `json:"tls,omitzero" doc:"for kafka; the others' URLs say it"`
	App         string            `json:"app,omitempty" maxLength:"128"`
}

// Auth is how a webhook authenticates itself beside its signature, and how a Kafka producer does (basic: SASL PLAIN).
// Password, token and value are shown as "********"; sent back like that they stay what they are.
type Auth struct {
	Type     string `json:"type" enum:"basic,bearer,header"`
	Username string `json:"username,omitempty" maxLength:"1024"`
	Password string `json:"password,omitempty" maxLength:"4096"`
	Token    string `json:"token,omitempty" maxLength:"4096"`
	Name     string `json:"name,omitempty" maxLength:"255" doc:"of the header"`
	Value    string `json:"value,omitempty" maxLength:"4096"`
}

// Batch bounds how many events go in one message, and how long one waits to fill.
type Batch struct {
	Max    int   `json:"max" minimum:"1" maximum:"10000"`
	WaitMS int64 `json:"waitMs" minimum:"0" maximum:"3600000"`
}

// Retry is the waiting time before each further attempt, as Go writes durations.
type Retry struct {
	Schedule []string `json:"schedule" nullable:"false" maxItems:"64" doc:"such as 5s, 30m, 2h"`
}

// Replay is a stretch of the log that is told again.
type Replay struct {
	From int64 `json:"fromSeq"`
	To   int64 `json:"toSeq"`
}

// Start is where a new subscription begins: a word, or the seq of the first change to be told.
type Start carillon.Start

// Schema describes both forms.
func (Start) Schema(huma.Registry) *huma.Schema {
	zero := 0.0
	return &huma.Schema{
		Description: "now (by default), beginning, snapshot (what exists, then what happens), or the seq of the change to begin with",
		OneOf: []*huma.Schema{
			{Type: huma.TypeString, Pattern: `^(now|beginning|snapshot|[0-9]{1,18})$`},
			{Type: huma.TypeInteger, Format: "int64", Minimum: &zero},
		},
	}
}

// MarshalJSON writes the word or the seq.
func (s Start) MarshalJSON() ([]byte, error) {
	if s.Mode == carillon.StartSeq {
		return strconv.AppendInt(nil, s.Seq, 10), nil
	}
	return json.Marshal(s.Mode)
}

// UnmarshalJSON reads a word, a seq, or a seq in quotes.
func (s *Start) UnmarshalJSON(data []byte) error {
	var word string
	if len(data) > 0 && data[0] == '"' {
		if err := json.Unmarshal(data, &word); err != nil {
			return err
		}
	} else {
		word = string(data)
	}
	switch mode := carillon.StartMode(word); mode {
	case carillon.StartNow, carillon.StartBeginning, carillon.StartSnapshot:
		*s = Start{Mode: mode}
		return nil
	}
	seq, err := strconv.ParseInt(word, 10, 64)
	if err != nil {
		return fmt.Errorf("read start %s: %w", data, err)
	}
	*s = Start{Mode: carillon.StartSeq, Seq: seq}
	return nil
}

// same reports whether both are written alike.
func (s Start) same(t Start) bool {
	return s.Mode == t.Mode && (s.Mode != carillon.StartSeq || s.Seq == t.Seq)
}

// mask stands for a secret that is not shown.
const mask = "********"

func masked(secret string) string {
	if secret == "" {
		return ""
	}
	return mask
}

// maskedURL hides a URL's password, or a user name that stands alone, which is a token.
func maskedURL(text string) string {
	bare, user, found := egress.CutUser(text)
	if !found {
		return text
	}
	if name, _, ok := strings.Cut(user, ":"); ok {
		return withUser(bare, name+":"+mask)
	}
	return withUser(bare, mask)
}

// unmaskedURL puts back what the mask in a URL stands for, if it goes to the same server as the same user: else a password
// that may not be read could be sent to whom one likes.
func unmaskedURL(text, old string) (unmasked string, ok bool) {
	bare, user, _ := egress.CutUser(text)
	name, password, both := strings.Cut(user, ":")
	if both && password != mask || !both && user != mask {
		return text, true
	}
	oldBare, oldUser, found := egress.CutUser(old)
	oldName, _, oldBoth := strings.Cut(oldUser, ":")
	if !found || both != oldBoth || both && name != oldName || hostOf(bare) != hostOf(oldBare) {
		return "", false
	}
	return withUser(bare, oldUser), true
}

func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Host
}

func withUser(bare, user string) string { return strings.Replace(bare, "://", "://"+user+"@", 1) }

// writable is the part of a subscription that people set, secrets of the sink included.
func writable(s *carillon.Subscription) Subscription {
	out := Subscription{
		Name: s.Name, Dialect: s.Dialect, Events: s.Events, Filter: s.Filter, Sink: sinkOf(s.Sink),
		Concurrency: s.Concurrency, Rate: s.RatePerSecond, OnGiveUp: string(s.OnGiveUp), Echo: s.Echo, Settings: s.Settings,
	}
	start := Start(s.Start)
	out.Start = &start
	if s.Batch.Max > 0 {
		out.Batch = &Batch{Max: s.Batch.Max, WaitMS: s.Batch.Wait.Milliseconds()}
	}
	out.Retry = &Retry{Schedule: []string{}}
	for _, d := range s.Retry.Schedule {
		out.Retry.Schedule = append(out.Retry.Schedule, shortDuration(d))
	}
	return out
}

// shortDuration writes a duration as people do: 2h rather than 2h0m0s.
func shortDuration(d time.Duration) string {
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		return strconv.FormatInt(int64(d/time.Hour), 10) + "h"
	case d >= time.Minute && d%time.Minute == 0:
		return strconv.FormatInt(int64(d/time.Minute), 10) + "m"
	default:
		return d.String()
	}
}

func sinkOf(s carillon.Sink) Sink {
	out := Sink{
		Type: s.Type, URL: s.URL, ContentType: s.ContentType, TopicARN: s.TopicARN, Region: s.Region, Endpoint: s.Endpoint,
		Subject: s.Subject, Exchange: s.Exchange, RoutingKey: s.RoutingKey, Brokers: s.Brokers, Topic: s.Topic, TLS: s.TLS, App: s.App,
	}
	if s.Auth != nil {
		auth := Auth(*s.Auth)
		out.Auth = &auth
	}
	return out
}

func (s Sink) of() carillon.Sink {
	out := carillon.Sink{
		Type: s.Type, URL: s.URL, ContentType: s.ContentType, TopicARN: s.TopicARN, Region: s.Region, Endpoint: s.Endpoint,
		Subject: s.Subject, Exchange: s.Exchange, RoutingKey: s.RoutingKey, Brokers: s.Brokers, Topic: s.Topic, TLS: s.TLS, App: s.App,
	}
	if s.Auth != nil {
		auth := carillon.Auth(*s.Auth)
		out.Auth = &auth
	}
	return out
}

// shown is a subscription with how it fares, secrets masked.
func shown(s *carillon.Subscription, status deliver.Status) Subscription {
	out := writable(s)
	out.Sink.URL = maskedURL(out.Sink.URL)
	if out.Sink.Auth != nil {
		out.Sink.Auth.Password = masked(out.Sink.Auth.Password)
		out.Sink.Auth.Token = masked(out.Sink.Auth.Token)
		out.Sink.Auth.Value = masked(out.Sink.Auth.Value)
	}
	out.ID, out.State, out.Cursor, out.Lag = s.ID, status.State, status.Cursor, status.Lag
	out.ParkedLanes, out.DeadLetters = status.ParkedLanes, status.DeadLetters
	out.Delivered, out.Failed, out.LastError = status.Delivered, status.Failed, status.LastError
	out.DisabledReason = s.DisabledReason
	if status.Replay != nil {
		out.Replay = &Replay{From: status.Replay.From, To: status.Replay.To}
	}
	out.SecretExpiresAt, out.CreatedAt, out.UpdatedAt = s.SecretExpiresAt, s.CreatedAt, s.UpdatedAt
	return out
}

// apply sets what people set. Masked secrets stand for those of old, which is empty for a new subscription.
func (in Subscription) apply(to *carillon.Subscription, old carillon.Sink) error {
	var faults []carillon.Fault
	to.Name, to.Dialect, to.Events, to.Filter, to.Sink = in.Name, in.Dialect, in.Events, in.Filter, in.Sink.of()
	to.Concurrency, to.RatePerSecond, to.OnGiveUp, to.Echo = in.Concurrency, in.Rate, carillon.OnGiveUp(in.OnGiveUp), in.Echo
	to.Settings, faults = settingsOf(in.Settings)
	if to.Dialect == "" {
		to.Dialect = defaultDialect
	}
	to.Batch = carillon.Batch{}
	if in.Batch != nil {
		to.Batch = carillon.Batch{Max: in.Batch.Max, Wait: time.Duration(in.Batch.WaitMS) * time.Millisecond}
	}
	to.Retry = carillon.Retry{}
	if in.Retry != nil {
		for i, text := range in.Retry.Schedule {
			d, err := time.ParseDuration(text)
			if err != nil || d < 0 {
				faults = append(faults, carillon.Fault{Member: "/retry/schedule/" + strconv.Itoa(i), Reason: "is not a duration such as 5s, 30m or 2h"})
			}
			to.Retry.Schedule = append(to.Retry.Schedule, d)
		}
	}
	if unmasked, ok := unmaskedURL(to.Sink.URL, old.URL); ok {
		to.Sink.URL = unmasked
	} else {
		faults = append(faults, carillon.Fault{
			Member: "/sink/url", Reason: "has the mask that stands for a password: write the password itself where user or server are others",
		})
	}
	if auth := to.Sink.Auth; auth != nil {
		var kept carillon.Auth
		if old.Auth != nil {
			kept = *old.Auth
		}
		faults = append(faults, unmask("/sink/auth/password", &auth.Password, kept.Password)...)
		faults = append(faults, unmask("/sink/auth/token", &auth.Token, kept.Token)...)
		faults = append(faults, unmask("/sink/auth/value", &auth.Value, kept.Value)...)
	}
	if faults != nil {
		return invalid("the subscription is not valid", faults...)
	}
	return nil
}

func (s *server) createSubscription(w http.ResponseWriter, r *request) error {
	in, err := decode[Subscription](s, w, r)
	if err != nil {
		return err
	}
	sub := &carillon.Subscription{Org: r.org(), Start: carillon.Start{Mode: carillon.StartNow}}
	if err := in.apply(sub, carillon.Sink{}); err != nil {
		return err
	}
	if in.Start != nil {
		sub.Start = carillon.Start(*in.Start)
	}
	if err := s.desk.Create(r.Context(), sub); err != nil {
		return err
	}
	w.Header().Set("Location", "/v1/subscriptions/"+sub.ID)
	return s.writeSubscription(w, r, http.StatusCreated, sub, true)
}

// writeSubscription answers a subscription as it fares now, on creation and rotation with its newest secret.
func (s *server) writeSubscription(w http.ResponseWriter, r *request, status int, sub *carillon.Subscription, secret bool) error {
	answer, err := s.show(r.Context(), sub)
	if err != nil {
		return err
	}
	if secret && len(sub.Secrets) > 0 {
		answer.Secret = sub.Secrets[0]
	}
	return writeJSON(w, status, answer)
}

func (s *server) show(ctx context.Context, sub *carillon.Subscription) (Subscription, error) {
	status, err := s.desk.Status(ctx, sub.Org, sub.ID)
	if err != nil {
		return Subscription{}, err
	}
	return shown(sub, status), nil
}

func (s *server) listSubscriptions(w http.ResponseWriter, r *request) error {
	all, err := s.store.Subscriptions(r.Context(), r.org())
	if err != nil {
		return fmt.Errorf("list subscriptions: %w", err)
	}
	return writePage(w, r, all, func(sub *carillon.Subscription) string { return sub.ID },
		func(sub *carillon.Subscription) (Subscription, error) { return s.show(r.Context(), sub) })
}

// subscription reads the one that the path names.
func (s *server) subscription(r *request) (*carillon.Subscription, error) {
	id, err := r.pathID("id", "the subscription")
	if err != nil {
		return nil, err
	}
	return s.store.Subscription(r.Context(), r.org(), id)
}

func (s *server) getSubscription(w http.ResponseWriter, r *request) error {
	sub, err := s.subscription(r)
	if err != nil {
		return err
	}
	return s.writeSubscription(w, r, http.StatusOK, sub, false)
}

// patchSubscription merges the body (RFC 7396) into the subscription as people wrote it, and checks the outcome whole.
func (s *server) patchSubscription(w http.ResponseWriter, r *request) error {
	sub, err := s.subscription(r)
	if err != nil {
		return err
	}
	patch, err := s.jsonBody(w, r, typeMergePatch, typeJSON)
	if err != nil {
		return err
	}
	if err := checkJSON(patch); err != nil {
		return err
	}
	current, err := jsonv2.Marshal(writable(sub), times)
	if err != nil {
		return fmt.Errorf("encode subscription %s: %w", sub.ID, err)
	}
	merged, err := mergePatch(current, patch)
	if err != nil {
		return err
	}
	in, err := decodeBytes[Subscription](s, merged)
	if err != nil {
		return err
	}
	if in.Start != nil && !in.Start.same(Start(sub.Start)) {
		return carillon.Invalid("/start", "cannot be changed; use replay")
	}
	changed := *sub
	if err := in.apply(&changed, sub.Sink); err != nil {
		return err
	}
	if err := s.desk.Update(r.Context(), &changed); err != nil {
		return err
	}
	return s.getSubscription(w, r)
}

// mergePatch applies a JSON merge patch (RFC 7396) to an object. Both have passed checkJSON or were made here.
func mergePatch(target, patch []byte) ([]byte, error) {
	var to, from any
	if err := errors.Join(jsonv2.Unmarshal(target, &to), jsonv2.Unmarshal(patch, &from)); err != nil {
		return nil, fmt.Errorf("decode merge patch: %w", err)
	}
	if _, ok := from.(map[string]any); !ok {
		return nil, carillon.Invalid("", "is not an object")
	}
	merged, err := jsonv2.Marshal(merge(to, from))
	if err != nil {
		return nil, fmt.Errorf("encode merged body: %w", err)
	}
	return merged, nil
}

func merge(target, patch any) any {
	from, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	to, ok := target.(map[string]any)
	if !ok {
		to = map[string]any{}
	}
	for name, value := range from {
		if value == nil {
			delete(to, name)
		} else {
			to[name] = merge(to[name], value)
		}
	}
	return to
}

func (s *server) deleteSubscription(w http.ResponseWriter, r *request) error {
	return s.act(w, r, http.StatusNoContent, s.desk.Delete)
}

func (s *server) pauseSubscription(w http.ResponseWriter, r *request) error {
	return s.act(w, r, http.StatusOK, s.desk.Pause)
}

func (s *server) resumeSubscription(w http.ResponseWriter, r *request) error {
	return s.act(w, r, http.StatusOK, s.desk.Resume)
}

// act does something to a subscription and answers with it, unless there is nothing left to answer with.
func (s *server) act(w http.ResponseWriter, r *request, status int, do func(ctx context.Context, org, id string) error) error {
	id, err := r.pathID("id", "the subscription")
	if err != nil {
		return err
	}
	if err := do(r.Context(), r.org(), id); err != nil {
		return err
	}
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return nil
	}
	return s.getSubscription(w, r)
}

func (s *server) rotateSecret(w http.ResponseWriter, r *request) error {
	id, err := r.pathID("id", "the subscription")
	if err != nil {
		return err
	}
	sub, err := s.desk.RotateSecret(r.Context(), r.org(), id)
	if err != nil {
		return err
	}
	return s.writeSubscription(w, r, http.StatusOK, sub, true)
}

func (s *server) testSubscription(w http.ResponseWriter, r *request) error {
	id, err := r.pathID("id", "the subscription")
	if err != nil {
		return err
	}
	attempt, err := s.desk.Test(r.Context(), r.org(), id)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, attemptOf(attempt))
}

// Range is a stretch of the log, both ends included: by seq or by time, and to the head where no end is named.
type Range struct {
	FromSeq  int64     `json:"fromSeq,omitempty" minimum:"1"`
	FromTime time.Time `json:"fromTime,omitzero"`
	ToSeq    int64     `json:"toSeq,omitempty" minimum:"1"`
	ToTime   time.Time `json:"toTime,omitzero"`
}

func (s *server) replay(w http.ResponseWriter, r *request) error {
	id, err := r.pathID("id", "the subscription")
	if err != nil {
		return err
	}
	in, err := decode[Range](s, w, r)
	if err != nil {
		return err
	}
	stretch, err := s.stretch(r, in)
	if err != nil {
		return err
	}
	if err := s.desk.Replay(r.Context(), r.org(), id, stretch.From, stretch.To); err != nil {
		return err
	}
	return writeJSON(w, http.StatusAccepted, stretch)
}

// stretch turns a range into seqs inside the log.
func (s *server) stretch(r *request, in Range) (Replay, error) {
	var faults []carillon.Fault
	if (in.FromSeq > 0) == !in.FromTime.IsZero() {
		faults = append(faults, carillon.Fault{Member: "/fromSeq", Reason: "name either fromSeq or fromTime"})
	}
	if in.ToSeq > 0 && !in.ToTime.IsZero() {
		faults = append(faults, carillon.Fault{Member: "/toSeq", Reason: "name toSeq or toTime or neither, not both"})
	}
	if faults != nil {
		return Replay{}, invalid("the range is not valid", faults...)
	}
	head, err := s.store.Head(r.Context(), r.org())
	if err != nil {
		return Replay{}, fmt.Errorf("read the head of the log: %w", err)
	}
	out := Replay{From: in.FromSeq, To: head}
	if !in.FromTime.IsZero() {
		before, err := s.store.SeqAt(r.Context(), r.org(), in.FromTime.Add(-time.Millisecond))
		if err != nil {
			return Replay{}, fmt.Errorf("find the change at fromTime: %w", err)
		}
		out.From = before + 1
	}
	if in.ToSeq > 0 {
		out.To = min(in.ToSeq, head)
	}
	if !in.ToTime.IsZero() {
		if out.To, err = s.store.SeqAt(r.Context(), r.org(), in.ToTime); err != nil {
			return Replay{}, fmt.Errorf("find the change at toTime: %w", err)
		}
	}
	if out.From > out.To {
		return Replay{}, carillon.Invalid("", fmt.Sprintf("no change lies in this range: it begins at seq %d and ends at %d", out.From, out.To))
	}
	return out, nil
}

// Attempt is one try to deliver.
type Attempt struct {
	EventID    string           `json:"eventId"`
	EventType  string           `json:"eventType"`
	Seq        int64            `json:"seq"`
	Lane       string           `json:"lane"`
	Number     int              `json:"number" doc:"1 for the first try"`
	At         time.Time        `json:"at"`
	DurationMS float64          `json:"durationMs"`
	Outcome    carillon.Outcome `json:"outcome" enum:"delivered,retry,dead,gone"`
	Status     int              `json:"status,omitzero" doc:"the HTTP status, absent if there was none"`
	Error      string           `json:"error,omitzero"`
	Response   string           `json:"response,omitzero" doc:"the first kilobyte of a failing answer"`
}

func attemptOf(a *carillon.Attempt) Attempt {
	return Attempt{
		EventID: a.EventID, EventType: a.EventType, Seq: a.Seq, Lane: a.Lane, Number: a.Number, At: a.At,
		DurationMS: float64(a.Duration.Microseconds()) / 1000, Outcome: a.Outcome, Status: a.Status,
		Error: plain(a.Error), Response: plain(a.Response),
	}
}

// plain makes text of what a stranger's endpoint answered, which may be any bytes.
func plain(s string) string {
	if validText(s) {
		return s
	}
	return string([]rune(s)) // what is not UTF-8 becomes U+FFFD
}

func (s *server) listAttempts(w http.ResponseWriter, r *request) error {
	id, err := r.pathID("id", "the subscription")
	if err != nil {
		return err
	}
	limit, err := r.limit()
	if err != nil {
		return err
	}
	attempts, err := s.desk.Attempts(r.Context(), r.org(), id, limit)
	if err != nil {
		return err
	}
	items := make([]Attempt, len(attempts))
	for i, a := range attempts {
		items[i] = attemptOf(a)
	}
	return writeJSON(w, http.StatusOK, page(items, ""))
}

// DeadLetter is what is left of a message when the policy gave up.
type DeadLetter struct {
	ID         string    `json:"id"`
	EventID    string    `json:"eventId"`
	EventType  string    `json:"eventType"`
	Seq        int64     `json:"seq"`
	Lane       string    `json:"lane"`
	Attempts   int       `json:"attempts"`
	LastStatus int       `json:"lastStatus,omitzero" doc:"the HTTP status, absent if there was none"`
	LastError  string    `json:"lastError,omitzero"`
	CreatedAt  time.Time `json:"createdAt"`
}

func (s *server) listDeadLetters(w http.ResponseWriter, r *request) error {
	sub, err := s.subscription(r)
	if err != nil {
		return err
	}
	limit, err := r.limit()
	if err != nil {
		return err
	}
	after, err := r.cursor()
	if err != nil {
		return err
	}
	letters, err := s.store.DeadLetters(r.Context(), r.org(), sub.ID, after, limit+1)
	if err != nil {
		return fmt.Errorf("list dead letters: %w", err)
	}
	next := ""
	if len(letters) > limit {
		letters = letters[:limit]
		next = cursorOf(letters[limit-1].ID)
	}
	items := make([]DeadLetter, len(letters))
	for i, l := range letters {
		items[i] = DeadLetter{
			ID: l.ID, EventID: l.EventID, EventType: l.EventType, Seq: l.Position.Seq, Lane: l.Lane, Attempts: l.Attempts,
			LastStatus: l.LastStatus, LastError: plain(l.LastError), CreatedAt: l.CreatedAt,
		}
	}
	return writeJSON(w, http.StatusOK, page(items, next))
}

// DeadLetterIDs says which dead letters to try again.
type DeadLetterIDs struct {
	IDs *[]string `json:"ids,omitempty" nullable:"false" minItems:"1" maxItems:"1000" doc:"absent means all"`
}

// Replayed says how many dead letters were taken up.
type Replayed struct {
	Replayed int `json:"replayed"`
}

func (s *server) replayDeadLetters(w http.ResponseWriter, r *request) error {
	sub, err := s.subscription(r)
	if err != nil {
		return err
	}
	in, err := decode[DeadLetterIDs](s, w, r)
	if err != nil {
		return err
	}
	var ids []string
	if in.IDs != nil {
		ids = slices.Compact(slices.Sorted(slices.Values(*in.IDs)))
	}
	taken, err := s.desk.ReplayDeadLetters(r.Context(), r.org(), sub.ID, ids)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusAccepted, Replayed{Replayed: taken})
}
