package intake

import (
	"cmp"
	"context"
	"errors"
	"runtime/debug"
	"strings"
	"time"

	"carillon"
	"carillon/dialect"
	"carillon/ledger"
	"carillon/store"
)

// The outcomes of events.
const (
	outcomeChanged   = "changed"
	outcomeUnchanged = "unchanged"
	outcomeLate      = "late"
	outcomeRepeated  = "repeated"
	outcomeIgnored   = "ignored"
	outcomeFailed    = "failed"
)

const (
	groupSize        = 256 // events that one transaction may share
	maxConfirmations = 20  // within some six minutes (see backoff)
	maxRaces         = 5   // how often an event is held against records that others make and delete meanwhile
	maxKey           = 255
)

// apply writes events in order, many in one transaction where they have no record in common.
func (w *worker) apply(ctx context.Context, e *ear, due []*item) error {
	done := map[*item]bool{}
	defer func() { w.drop(done) }()
	var group []*item
	var entries []ledger.Entry
	touched := map[carillon.Ref]bool{} // by the group's writes that make a difference
	flush := func() error {
		replies := w.in.ledger.ApplyAll(ctx, entries)
		var failure error
		for i, it := range group {
			if err := w.report(ctx, e, it, replies[i].Err); err != nil {
				failure = cmp.Or(failure, err)
				continue
			}
			done[it] = true
		}
		group, entries = nil, nil
		clear(touched)
		return failure
	}
	for _, it := range due {
		for i := range it.told.Statements {
			if touched[it.told.Statements[i].Ref] {
				if err := flush(); err != nil {
					return err
				}
				break
			}
		}
		entry, err := w.entry(ctx, e, it, touched)
		if err != nil {
			// The events before it come first, whatever becomes of this one.
			if err := flush(); err != nil {
				return err
			}
			if err := w.report(ctx, e, it, err); err != nil {
				return err
			}
			done[it] = true
			continue
		}
		group, entries = append(group, it), append(entries, entry)
		// What goes along with a deletion is known to the ledger only.
		if it.told.Op == carillon.OpDeleted || len(group) >= groupSize {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// entry says what an event asks of the ledger, as the records stand. The records that it will change are added to touched.
func (w *worker) entry(ctx context.Context, e *ear, it *item, touched map[carillon.Ref]bool) (ledger.Entry, error) {
	entry := ledger.Entry{
		Org: e.Org, Actor: it.told.Actor, Origin: e.Origin(), Key: keyOf(it.told.ID), KeyAlone: true, Scope: e.Source(),
		Also: func(ctx context.Context, tx store.Tx, r ledger.Result) error {
			event := &it.Told[it.index]
			event.Outcome, event.Seqs = outcomeOf(r)
			settle(it.Inbound)
			it.ProcessedAt = w.in.now().UTC().Truncate(time.Millisecond)
			return tx.SaveInbound(ctx, it.Inbound)
		},
	}
	if entry.Actor == (carillon.Actor{}) {
		entry.Actor = carillon.Actor{ID: e.ID, Type: "connection"}
	}
	seen := map[carillon.Ref]bool{}
	for i := range it.told.Statements {
		s := &it.told.Statements[i]
		if seen[s.Ref] {
			continue // the first says it
		}
		seen[s.Ref] = true
		write, differs, err := w.write(ctx, e, s)
		if err != nil {
			return ledger.Entry{}, err
		}
		if write == nil {
			continue
		}
		if differs {
			touched[s.Ref] = true
		}
		write.Heard = carillon.HeardAt{At: it.at, Op: it.told.Op}
		entry.Writes = append(entry.Writes, *write)
	}
	return entry, nil
}

// write says what a statement asks of the ledger; nil for nothing. differs says whether that may change the record.
func (w *worker) write(ctx context.Context, e *ear, s *dialect.Statement) (write *ledger.Write, differs bool, err error) {
	write = &ledger.Write{Ref: s.Ref, On: s.On, IfExists: true, Release: true}
	if s.Extra != nil {
		write.Extra = map[string][]byte{e.Dialect: s.Extra}
	}
	if s.Sort == dialect.Gone {
		write.Op = ledger.Delete
		return write, true, nil
	}
	record, err := w.in.store.Record(ctx, e.Org, s.Ref)
	switch {
	case carillon.IsNotFound(err):
		write.Op, write.Data = ledger.Create, asCreated(s.Kind, s.Data)
		if s.Sort == dialect.Mention {
			write.Op = ledger.Ensure
		}
		return write, true, nil
	case err != nil:
		return nil, false, err
	case s.Sort == dialect.Mention:
		return nil, false, nil
	}
	echo, err := w.echo(ctx, e, record)
	if err != nil {
		return nil, false, err
	}
	// Without If-Match: what somebody else writes in this moment is newer than what the vendor said.
	write.Op = ledger.Patch
	write.Data = s.Difference(echo)
	differs = write.Data != nil || s.Extra != nil && string(s.Extra) != cmp.Or(string(dialect.Member(record.Extra, e.Dialect)), "null")
	if write.Data == nil {
		write.Data = []byte("{}")
	}
	return write, differs, nil
}

// echo is what the vendor would say if it knew of the record what we know. A record that cannot be told in its language,
// because somebody put things into it that do not go there and back, is held against as it stands.
func (w *worker) echo(ctx context.Context, e *ear, record *carillon.Record) (echo []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			w.in.log.ErrorContext(ctx, "tell a record to its vendor: panic", "record", record.Ref.String(), "panic", r, "stack", string(debug.Stack()))
			echo, err = record.Data, nil
		}
	}()
	echo, err = dialect.Echo(ctx, e.decoder, record, e.settings, e.reading, w.in.past)
	switch {
	case err != nil && (ctx.Err() != nil || carillon.ErrorCode(err) == carillon.CodeUnavailable):
		return nil, err
	case err != nil:
		w.in.log.WarnContext(ctx, "tell a record to its vendor", "connection", e.ID, "record", record.Ref.String(), "error", err)
		return record.Data, nil
	case echo == nil: // the dialect does not tell of such records
		return record.Data, nil
	}
	return echo, nil
}

// asCreated gives the members of a record that the house does not know yet: those that are not null. What a record must
// have, and may be empty, is empty where the vendor does not say it.
func asCreated(kind carillon.Kind, data []byte) []byte {
	object := []byte{'{'}
	said := map[string]bool{}
	for name, value := range dialect.Members(data) {
		if string(value) != "null" {
			said[dialect.Unquote(name)] = true
			object = dialect.AppendMember(object, name, value)
		}
	}
	for _, f := range carillon.Fields(kind) {
		if f.Required && f.Default == "" && !f.NonEmpty && !f.ReadOnly && !said[f.Name] && f.Type != carillon.TypeTime {
			object = dialect.AppendMember(object, dialect.AppendString(nil, f.Name), []byte(`""`))
		}
	}
	return append(object, '}')
}

// keyOf gives the key of an event: its id, if that can be one.
func keyOf(id string) string {
	if id == "" || len(id) > maxKey || strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return dialect.DerivedID(id)
	}
	return id
}

// outcomeOf says what the ledger made of an event.
func outcomeOf(r ledger.Result) (string, []int64) {
	if r.Repeated {
		return outcomeRepeated, nil
	}
	outcome := outcomeUnchanged
	var seqs []int64
	for _, o := range r.Outcomes {
		if o.Seq > 0 {
			seqs = append(seqs, o.Seq)
		}
	}
	switch n := len(r.Outcomes); {
	case len(seqs) > 0:
		outcome = outcomeChanged
	case n > 0 && r.Outcomes[n-1].Late: // the record that the event is about comes last
		outcome = outcomeLate
	}
	return outcome, seqs
}

// settle gives a delivery its state once each of its events has an outcome.
func settle(d *carillon.Inbound) {
	count := map[string]int{}
	for _, event := range d.Told {
		count[event.Outcome]++
	}
	switch {
	case count[""] > 0:
		d.State = carillon.InboxReceived
	case count[outcomeFailed] > 0:
		d.State = carillon.InboxQuarantined
	case count[outcomeRepeated] > 0 && count[outcomeRepeated]+count[outcomeIgnored] == len(d.Told):
		d.State = carillon.InboxDuplicate
	default:
		d.State = carillon.InboxApplied
	}
}

// report takes what became of an event. An error is the house's own trouble: the event waits.
func (w *worker) report(ctx context.Context, e *ear, it *item, err error) error {
	for race := 0; err != nil && raced(err) && race < maxRaces; race++ {
		var entry ledger.Entry
		if entry, err = w.entry(ctx, e, it, map[carillon.Ref]bool{}); err == nil {
			_, err = w.in.ledger.Apply(ctx, entry)
		}
	}
	if err == nil {
		if it.State != carillon.InboxReceived {
			return w.settled(ctx, it.Inbound)
		}
		return nil
	}
	event := &it.Told[it.index]
	event.Outcome, event.Seqs = "", nil
	it.State = carillon.InboxReceived
	if carillon.ErrorCode(err) == carillon.CodeUnavailable || ctx.Err() != nil {
		return err
	}
	if carillon.ErrorCode(err) == carillon.CodeInternal {
		w.in.log.ErrorContext(ctx, "apply an event of a delivery", "org", it.Org, "delivery", it.ID, "event", it.told.ID, "error", err)
	}
	event.Outcome = outcomeFailed
	if it.Problem == nil { // of several, the first
		it.Problem = problemOf(err)
		it.Awaits = missing(it.told.Statements, err)
	}
	settle(it.Inbound)
	return w.save(ctx, []*carillon.Inbound{it.Inbound})
}

// raced reports whether somebody else may have made or deleted a record between our reading it and the ledger's.
func raced(err error) bool {
	code := carillon.ErrorCode(err)
	return code == carillon.CodeConflict || code == carillon.CodeNotFound
}

// quarantine puts a delivery aside that cannot be read.
func quarantine(d *carillon.Inbound, err error) {
	d.State, d.Problem = carillon.InboxQuarantined, problemOf(err)
}

// problemOf says to people why a delivery cannot be read or applied.
func problemOf(err error) *carillon.InboundProblem {
	var e *carillon.Error
	if errors.As(err, &e) {
		return &carillon.InboundProblem{Code: e.Code, Message: e.Message, Faults: e.Faults, Hint: e.Hint}
	}
	message, _, _ := strings.Cut(err.Error(), "\n")
	return &carillon.InboundProblem{
		Code: carillon.CodeInternal, Message: message, Hint: "this is a fault of the server; the delivery is kept and can be run again",
	}
}

// missing gives the record whose absence is why statements could not be applied; zero if that is not why.
func missing(statements []dialect.Statement, err error) carillon.Ref {
	var e *carillon.Error
	if !errors.As(err, &e) {
		return carillon.Ref{}
	}
	absent := func(ref carillon.Ref) bool {
		says := ref.String() + " does not exist"
		for _, f := range e.Faults {
			if f.Reason == says {
				return true
			}
		}
		return e.Code == carillon.CodeNotFound && strings.HasSuffix(e.Message, says)
	}
	for i := range statements {
		s := &statements[i]
		if s.On.ID != "" && absent(s.On) {
			return s.On
		}
		for name, value := range dialect.Members(s.Data) {
			n, ok := carillon.FieldNumber(s.Kind, dialect.Unquote(name))
			if !ok {
				continue
			}
			field := carillon.Fields(s.Kind)[n]
			switch field.Type {
			case carillon.TypeRef:
				if ref := (carillon.Ref{Kind: field.Ref, ID: dialect.Unquote(value)}); absent(ref) {
					return ref
				}
			case carillon.TypeRefs:
				for id := range dialect.Elements(value) {
					if ref := (carillon.Ref{Kind: field.Ref, ID: dialect.Unquote(id)}); absent(ref) {
						return ref
					}
				}
			}
		}
	}
	return carillon.Ref{}
}
