package deliver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"carillon"
	"carillon/dialect"
	"carillon/filter"
	"carillon/store"
)

// plan is a subscription made ready: its dialect, patterns, filter and sink.
type plan struct {
	sub      *carillon.Subscription
	dialect  dialect.Dialect
	batcher  dialect.Batcher // nil: one event a message
	settings dialect.Settings
	past     pastReader
	patterns filter.Patterns
	filter   *filter.Filter // nil: all
	sink     Sink
	echoes   bool // also tells its own vendor what came from there
}

// Bounds of what a subscription may ask for.
const (
	maxName        = 255
	maxPatterns    = 200
	maxConcurrency = 1024
	maxRate        = 100_000
	maxBatch       = 1000
	maxBatchWait   = time.Minute
	maxSchedule    = 50
	maxRetryWait   = 7 * 24 * time.Hour

	defaultConcurrency = 64
)

// check fills defaults and names what is wrong with a subscription; it opens nothing.
func check(s *carillon.Subscription) *carillon.Error {
	var faults []carillon.Fault
	fault := func(member, format string, args ...any) {
		faults = append(faults, carillon.Fault{Member: member, Reason: fmt.Sprintf(format, args...)})
	}
	if s.Concurrency == 0 {
		s.Concurrency = defaultConcurrency
	}
	if s.Batch.Max == 0 {
		s.Batch.Max = 1
	}
	if s.OnGiveUp == "" {
		s.OnGiveUp = carillon.GiveUpContinue
	}
	if s.Start.Mode == "" {
		s.Start.Mode = carillon.StartNow
	}
	if len(s.Retry.Schedule) == 0 {
		s.Retry.Schedule = carillon.DefaultSchedule
	}
	if len(s.Name) > maxName {
		fault("/name", "must be at most %d bytes", maxName)
	}
	if len(s.Events) > maxPatterns {
		fault("/events", "must be at most %d patterns", maxPatterns)
	}
	if s.Concurrency < 1 || s.Concurrency > maxConcurrency {
		fault("/concurrency", "must be between 1 and %d", maxConcurrency)
	}
	if !(s.RatePerSecond >= 0 && s.RatePerSecond <= maxRate) {
		fault("/ratePerSecond", "must be between 0 (no limit) and %d", maxRate)
	}
	if s.Batch.Max < 1 || s.Batch.Max > maxBatch {
		fault("/batch/max", "must be between 1 and %d", maxBatch)
	}
	if s.Batch.Wait < 0 || s.Batch.Wait > maxBatchWait {
		fault("/batch/waitMs", "must be between 0 and %d", maxBatchWait.Milliseconds())
	}
	if s.OnGiveUp != carillon.GiveUpContinue && s.OnGiveUp != carillon.GiveUpBlock {
		fault("/onGiveUp", "must be %q or %q", carillon.GiveUpContinue, carillon.GiveUpBlock)
	}
	if len(s.Retry.Schedule) > maxSchedule {
		fault("/retry/schedule", "must be at most %d waiting times", maxSchedule)
	}
	for i, wait := range s.Retry.Schedule {
		if wait < time.Millisecond || wait > maxRetryWait {
			fault(fmt.Sprintf("/retry/schedule/%d", i), "must be between 1ms and %s", maxRetryWait)
		}
	}
	switch s.Start.Mode {
	case carillon.StartNow, carillon.StartBeginning, carillon.StartSnapshot:
	case carillon.StartSeq:
		if s.Start.Seq < 1 {
			fault("/start", "must be a seq of 1 or more")
		}
	default:
		fault("/start", "must be now, beginning, snapshot or a seq")
	}
	if len(faults) > 0 {
		return &carillon.Error{Code: carillon.CodeInvalid, Message: "the subscription is not valid", Faults: faults}
	}
	return nil
}

// prepare makes a plan of a subscription. It fails with carillon.CodeInvalid, naming the member.
func (e *Engine) prepare(s *carillon.Subscription) (*plan, error) {
	d, ok := e.dialects[s.Dialect]
	if r, own := d.(dialect.RetryDefault); own && len(s.Retry.Schedule) == 0 {
		s.Retry.Schedule = slices.Clone(r.RetrySchedule())
	}
	if err := check(s); err != nil {
		return nil, err
	}
	if !ok {
		return nil, carillon.Invalid("/dialect", fmt.Sprintf("%q is not a dialect", s.Dialect))
	}
	p := &plan{
		sub: s, dialect: d, past: pastReader{store.Past{Log: e.store}},
		echoes: s.Echo || slices.Contains(e.common, s.Dialect),
	}
	var err error
	if p.patterns, err = filter.CompilePatterns(s.Events); err != nil {
		return nil, err
	}
	if err := p.patterns.CheckAgainst(e.typeNames[s.Dialect]); err != nil {
		return nil, err
	}
	if s.Filter != "" {
		if p.filter, err = filter.Compile(s.Filter); err != nil {
			return nil, err
		}
	}
	if p.settings, err = d.CheckSettings(s.Settings); err != nil {
		return nil, err
	}
	if s.Batch.Max > 1 {
		if p.batcher, ok = d.(dialect.Batcher); !ok {
			return nil, carillon.Invalid("/batch/max", fmt.Sprintf("the %s dialect has no batches", s.Dialect))
		}
	}
	open, ok := e.sinks[s.Sink.Type]
	if !ok {
		return nil, carillon.Invalid("/sink/type", fmt.Sprintf("%q is not a sink", s.Sink.Type))
	}
	if p.sink, err = open(s); err != nil {
		return nil, err
	}
	return p, nil
}

// wants says which events of a change the subscription asks for, as bits, with the dialect's names.
// A filter that fails on a change does not match it; err tells why.
func (p *plan) wants(c *carillon.Change) (want uint64, types []string, err error) {
	if !p.echoes && c.CameFrom(p.sub.Dialect) {
		return 0, nil, nil
	}
	types = p.dialect.Events(c)
	var subject *filter.Subject
	for i, name := range types {
		if !p.patterns.Match(name) {
			continue
		}
		if p.filter != nil {
			if subject == nil {
				subject = filter.NewSubject(c)
			}
			ok, ferr := p.filter.MatchSubject(subject, dialect.EventID(c, i), name)
			if ferr != nil {
				err = ferr
			}
			if !ok {
				continue
			}
		}
		want |= 1 << i
	}
	return want, types, err
}

// encode renders events as one message. It fails with errUnread if the log could not be read.
func (p *plan) encode(ctx context.Context, events []carillon.Event) (carillon.Message, error) {
	if p.batcher != nil {
		return dialect.EncodeBatch(ctx, p.batcher, events, p.settings, p.past)
	}
	return dialect.Encode(ctx, p.dialect, events[0], p.settings, p.past)
}

// errUnread says that a message could not be rendered because the log could not be read: the fault is ours and passes.
var errUnread = errors.New("read the log around a change")

// pastReader marks the failures of a lookup that are not answers.
type pastReader struct{ store.Past }

func (p pastReader) RecordAsOf(ctx context.Context, org string, ref carillon.Ref, seq int64) (*carillon.Record, error) {
	r, err := p.Past.RecordAsOf(ctx, org, ref, seq)
	return r, unread(err)
}

func (p pastReader) Creation(ctx context.Context, c *carillon.Change) (*carillon.Change, error) {
	found, err := p.Past.Creation(ctx, c)
	return found, unread(err)
}

func (p pastReader) Previous(ctx context.Context, c *carillon.Change) (*carillon.Change, error) {
	found, err := p.Past.Previous(ctx, c)
	return found, unread(err)
}

func unread(err error) error {
	if err == nil || carillon.IsNotFound(err) {
		return err
	}
	return fmt.Errorf("%w: %w", errUnread, err)
}
