package console

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"carillon"
	"carillon/dialect"
	"carillon/store"
)

// Bounds of the list of events.
const (
	listedChanges  = 30 // read for the list that comes with the page
	listedEvents   = 40 // shown of them
	listedMembers  = 6  // shown of a change's members
	maxReadBytes   = 8 << 20
	maxDetailBytes = 1 << 20 // of an event shown as JSON; more is not coloured
)

// eventRow is an event in a list.
type eventRow struct {
	Seq     int64
	Index   int
	Type    string
	Op      carillon.Op
	Kind    carillon.Kind
	Ref     string // "contact con_1"
	Label   string // what people call the record: its name or title
	Lane    string
	Actor   string
	Time    time.Time
	Members []memberChip
	More    int // members that are not shown
}

// memberChip is a member that an update changed.
type memberChip struct {
	Sign string // +, − or empty
	How  string // in words
	Name string
}

// latestEvents gives the newest events of an org, newest first, and the seq that they reach up to.
func (c *console) latestEvents(ctx context.Context, org string) ([]eventRow, int64, error) {
	changes, err := c.Store.Changes(ctx, org, store.LogQuery{Limit: listedChanges, MaxBytes: maxReadBytes, Descending: true})
	if err != nil {
		return nil, 0, fmt.Errorf("read the newest changes: %w", err)
	}
	if len(changes) == 0 {
		return nil, 0, nil
	}
	var rows []eventRow
	for _, change := range changes {
		of := c.rows(change)
		for i := len(of) - 1; i >= 0 && len(rows) < listedEvents; i-- {
			rows = append(rows, of[i])
		}
	}
	return rows, changes[0].Seq, nil
}

// rows gives the events of one change in the order in which they are told.
func (c *console) rows(change *carillon.Change) []eventRow {
	types := c.tongues[0].Events(change)
	if len(types) == 0 {
		return nil
	}
	label := labelOf(change)
	rows := make([]eventRow, 0, len(types))
	for i, name := range types {
		row := eventRow{
			Seq: change.Seq, Index: i, Type: name, Op: change.Op, Kind: change.Kind, Ref: change.Ref.String(), Label: label,
			Lane: change.Lane, Actor: actorOf(change.Actor), Time: change.Time,
		}
		if i == 0 { // the events that follow say by their names what they are about
			row.Members, row.More = chips(change.Changed)
		}
		rows = append(rows, row)
	}
	return rows
}

func actorOf(a carillon.Actor) string {
	if a.Email != "" {
		return a.Email
	}
	return a.ID
}

func chips(changed []carillon.MemberChange) (shown []memberChip, more int) {
	for _, m := range changed[:min(len(changed), listedMembers)] {
		chip := memberChip{How: "changed", Name: m.Name}
		switch m.How {
		case carillon.Added:
			chip.Sign, chip.How = "+", "added"
		case carillon.Removed:
			chip.Sign, chip.How = "−", "removed"
		}
		if uid, ok := m.CustomFieldUID(); ok {
			chip.Name = uid
		}
		shown = append(shown, chip)
	}
	return shown, len(changed) - len(shown)
}

// labelOf is what people call a record: its name, its title, a person's names; empty if it has none.
func labelOf(change *carillon.Change) string {
	data := change.After
	if data == nil {
		data = change.Before
	}
	var named struct {
		Name      string `json:"name"`
		Title     string `json:"title"`
		FirstName string `json:"firstName"`
		LastName  string `json:"lastName"`
	}
	if json.Unmarshal(data, &named) != nil {
		return "" // a kind whose members of these names are no strings has no label
	}
	for _, label := range []string{named.Name, named.Title, strings.TrimSpace(named.FirstName + " " + named.LastName)} {
		if label != "" {
			return shorten(label, 80)
		}
	}
	return ""
}

// eventDetail is one event in full: in one dialect, or in all that have words for its change.
type eventDetail struct {
	eventRow
	ID         string
	Origin     string
	Choices    []choice
	Told       []telling
	SideBySide bool
}

func (c *console) showEvent(w http.ResponseWriter, r *http.Request, who visitor) error {
	detail, err := c.event(r.Context(), who.Org, r.PathValue("seq"), r.PathValue("index"), r.URL.Query().Get("in"))
	if err != nil {
		return err
	}
	if fromScript(r) {
		return c.views.renderPart(w, "event-detail", detail)
	}
	return c.views.render(w, http.StatusOK, "event", page{Title: detail.Type, Who: &who, Content: detail})
}

// event reads one event of an org by its change's seq and its place among the change's events, and tells it in a dialect:
// "" is the platform's, "all" all of them. It fails with not_found.
func (c *console) event(ctx context.Context, org, seqText, indexText, in string) (*eventDetail, error) {
	missing := carillon.NotFound("event", seqText+"/"+indexText)
	seq, errSeq := strconv.ParseInt(seqText, 10, 64)
	index, errIndex := strconv.Atoi(indexText)
	if errSeq != nil || errIndex != nil || seq < 1 || index < 0 {
		return nil, missing
	}
	changes, err := c.Store.Changes(ctx, org, store.LogQuery{After: seq - 1, Until: seq, Limit: 1})
	if err != nil {
		return nil, fmt.Errorf("read change %d: %w", seq, err)
	}
	if len(changes) == 0 {
		return nil, missing
	}
	rows := c.rows(changes[0])
	if index >= len(rows) {
		return nil, missing
	}
	detail := &eventDetail{
		eventRow: rows[index], ID: dialect.EventID(changes[0], index), Origin: changes[0].Origin, SideBySide: in == everyTongue,
	}
	if detail.Choices, err = c.choices(changes[0], detail.eventRow, in); err != nil {
		return nil, err
	}
	detail.Told, err = c.tell(ctx, changes[0], detail.eventRow, detail.Choices)
	return detail, err
}
