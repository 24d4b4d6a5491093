package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"carillon"
	"carillon/dialect"
	"carillon/filter"
	"carillon/store"
)

// Bounds of one look into the log.
const (
	logPage      = 256     // changes
	logPageBytes = 4 << 20 // of before and after
	eventsBytes  = 8 << 20 // of one page of events
)

// eventQuery is which events a request wants, and how they are told.
type eventQuery struct {
	org      string
	account  string // the lane; "" means all
	patterns filter.Patterns
	dialect  dialect.Dialect
	settings dialect.Settings
}

func (s *server) eventQuery(r *request) (q eventQuery, err error) {
	q.org, q.account = r.org(), r.query.Get("account")
	if q.account != "" && !carillon.ValidID(q.account) {
		return q, carillon.Invalid("account", idRule)
	}
	if q.dialect, err = s.dialectNamed(r.query.Get("dialect"), "dialect"); err != nil {
		return q, err
	}
	if types := r.query.Get("types"); types != "" {
		if q.patterns, err = compilePatterns(types, q.dialect); err != nil {
			return q, err
		}
	}
	q.settings, err = q.dialect.CheckSettings([]byte(r.query.Get(settingsParam.name)))
	return q, err
}

// compilePatterns reads a list of patterns, divided by commas, of which each must cover some type of the dialect.
func compilePatterns(types string, d dialect.Dialect) (filter.Patterns, error) {
	list := strings.Split(types, ",")
	for i, p := range list {
		list[i] = strings.TrimSpace(p)
	}
	patterns, err := filter.CompilePatterns(list)
	if err == nil {
		var names []string
		for _, t := range d.Types() {
			names = append(names, t.Name)
		}
		err = patterns.CheckAgainst(names)
	}
	if e, ok := errors.AsType[*carillon.Error](err); ok { // it names members of a subscription
		faults := slices.Clone(e.Faults)
		for i := range faults {
			faults[i].Member = "types"
		}
		return patterns, &carillon.Error{Code: e.Code, Message: "the patterns of types are not valid", Faults: faults, Hint: e.Hint}
	}
	return patterns, err
}

// page reads the changes that come after a position, oldest first. A change of which some events were told is among them.
func (q *eventQuery) page(ctx context.Context, archive Archive, from carillon.Position, limit int) ([]*carillon.Change, error) {
	changes, err := archive.Changes(ctx, q.org, store.LogQuery{
		After: max(from.Seq-1, 0), Lane: q.account, Limit: limit, MaxBytes: logPageBytes,
	})
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	return changes, nil
}

// events gives the events of a change that are asked for, from the index on, each with the position after it.
func (q *eventQuery) events(c *carillon.Change, from int) []placed {
	var list []placed
	for i, name := range q.dialect.Events(c) {
		if i < from || !q.patterns.Match(name) {
			continue
		}
		list = append(list, placed{
			Event: carillon.Event{Change: c, Index: i, Type: name},
			after: carillon.Position{Seq: c.Seq, Index: i + 1},
		})
	}
	if len(list) > 0 { // nothing more of this change is asked for
		list[len(list)-1].after = carillon.Position{Seq: c.Seq + 1}
	}
	return list
}

// encode renders one event as the dialect tells it, with what the log says around it.
func (q *eventQuery) encode(ctx context.Context, archive Archive, e carillon.Event) (carillon.Message, error) {
	return dialect.Encode(ctx, q.dialect, e, q.settings, store.Past{Log: archive})
}

// indexIn is the first event of change seq that is not behind the position.
func indexIn(p carillon.Position, seq int64) int {
	if p.Seq == seq {
		return p.Index
	}
	return 0
}

// placed is an event and the position after it.
type placed struct {
	carillon.Event
	after carillon.Position
}

// formatPosition writes a position as clients keep it: the seq of the last change that is behind it, or where it stands
// inside a change, that change's seq, a dot and the index of the next event.
func formatPosition(p carillon.Position) string {
	if p.Index == 0 {
		return strconv.FormatInt(p.Seq-1, 10)
	}
	return strconv.FormatInt(p.Seq, 10) + "." + strconv.Itoa(p.Index)
}

// parsePosition reads what formatPosition wrote; member is what an error names.
func parsePosition(text, member string) (carillon.Position, error) {
	seqText, indexText, inside := strings.Cut(text, ".")
	seq, err := strconv.ParseInt(seqText, 10, 64)
	if err != nil || seq < 0 || seq == 1<<63-1 {
		return carillon.Position{}, carillon.Invalid(member, "is neither a seq nor a cursor that was given as next")
	}
	if !inside {
		return carillon.Position{Seq: seq + 1}, nil
	}
	index, err := strconv.ParseUint(indexText, 10, 16)
	if err != nil || index == 0 || seq == 0 {
		return carillon.Position{}, carillon.Invalid(member, "is neither a seq nor a cursor that was given as next")
	}
	return carillon.Position{Seq: seq, Index: int(index)}, nil
}

// listEvents answers the events after a position. It looks at Limits.Scan changes at most and then says where to go on.
func (s *server) listEvents(w http.ResponseWriter, r *request) error {
	q, err := s.eventQuery(r)
	if err != nil {
		return err
	}
	limit, err := r.limit()
	if err != nil {
		return err
	}
	at := carillon.Position{Seq: 1}
	if text := r.query.Get("after"); text != "" {
		if at, err = parsePosition(text, "after"); err != nil {
			return err
		}
	}
	body := []byte(`{"items":[`)
	count, scanned, more := 0, 0, false
	for scanned < s.limits.Scan {
		changes, err := q.page(r.Context(), s.store, at, min(logPage, s.limits.Scan-scanned))
		if err != nil {
			return err
		}
		more = len(changes) > 0
		if !more {
			break
		}
		scanned += len(changes)
		for _, c := range changes {
			for _, e := range q.events(c, indexIn(at, c.Seq)) {
				if count == limit || len(body) > eventsBytes {
					return s.writeEvents(w, body, at)
				}
				message, err := q.encode(r.Context(), s.store, e.Event)
				if err != nil {
					return fmt.Errorf("encode event %d of change %d: %w", e.Index, c.Seq, err)
				}
				if count > 0 {
					body = append(body, ',')
				}
				body = appendMessage(body, &message)
				count++
				at = e.after
			}
			at = carillon.Position{Seq: c.Seq + 1}
		}
	}
	if !more {
		at = carillon.Position{}
	}
	return s.writeEvents(w, body, at)
}

// writeEvents ends a page; the zero position says that it reaches the head of the log.
func (s *server) writeEvents(w http.ResponseWriter, body []byte, next carillon.Position) error {
	cursor := ""
	if next != (carillon.Position{}) {
		cursor = formatPosition(next)
	}
	writeRaw(w, appendNext(append(body, ']'), cursor))
	return nil
}

// appendMessage writes a message's JSON with its seq put in as the first member. What is not a JSON object is told as
// {"seq","contentType","body"}.
func appendMessage(dst []byte, m *carillon.Message) []byte {
	dst = append(dst, `{"seq":`...)
	dst = strconv.AppendInt(dst, m.Seq, 10)
	if len(m.Body) >= 2 && m.Body[0] == '{' {
		if m.Body[1] != '}' {
			dst = append(dst, ',')
		}
		return append(dst, m.Body[1:]...)
	}
	dst = append(dst, `,"contentType":`...)
	dst = dialect.AppendString(dst, m.ContentType)
	dst = append(dst, `,"body":`...)
	dst = dialect.AppendString(dst, string(m.Body))
	return append(dst, '}')
}

// getEvent finds one event by its id.
func (s *server) getEvent(w http.ResponseWriter, r *request) error {
	id := r.PathValue("eventId")
	q, err := s.eventQuery(r)
	if err != nil {
		return err
	}
	unknown := &carillon.Error{Code: carillon.CodeNotFound, Message: "no event of the log has this id"}
	seq, index, ok := dialect.ParseEventID(id)
	if !ok {
		return unknown
	}
	changes, err := s.store.Changes(r.Context(), q.org, store.LogQuery{After: seq - 1, Until: seq, Limit: 1})
	if err != nil {
		return fmt.Errorf("read change %d: %w", seq, err)
	}
	if len(changes) == 0 || changes[0].Seq != seq || dialect.EventID(changes[0], index) != id {
		return unknown
	}
	names := q.dialect.Events(changes[0])
	if index >= len(names) {
		return &carillon.Error{Code: carillon.CodeNotFound, Message: fmt.Sprintf("the change has no event number %d in the dialect %s", index+1, q.dialect.Name())}
	}
	message, err := q.encode(r.Context(), s.store, carillon.Event{Change: changes[0], Index: index, Type: names[index]})
	if err != nil {
		return fmt.Errorf("encode event %d of change %d: %w", index, seq, err)
	}
	writeRaw(w, append(appendMessage(nil, &message), '\n'))
	return nil
}
