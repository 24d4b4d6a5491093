package console

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"

	"carillon"
	"carillon/dialect"
	"carillon/store"
)

// nativeTongue is the dialect that names the events in lists; everyTongue asks for all of them side by side.
const (
	nativeTongue = "platform"
	everyTongue  = "all"
)

// tongue is a dialect with the settings that it has by default.
type tongue struct {
	dialect.Dialect
	settings dialect.Settings
}

// tonguesOf makes the dialects ready: the platform's first, the others by name.
func tonguesOf(dialects map[string]dialect.Dialect) ([]tongue, error) {
	list := make([]tongue, 0, len(dialects))
	for name, d := range dialects {
		settings, err := d.CheckSettings(nil)
		if err != nil {
			return nil, fmt.Errorf("console: settings of the dialect %s: %w", name, err)
		}
		list = append(list, tongue{d, settings})
	}
	slices.SortFunc(list, func(a, b tongue) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Name(), b.Name()))
	})
	return list, nil
}

func rank(t tongue) int {
	if t.Name() == nativeTongue {
		return 0
	}
	return 1
}

// choice is one of the ways to look at an event: a dialect, or all of them side by side.
type choice struct {
	Label   string
	URL     string
	Current bool
	Silent  bool // the dialect has no words for the change
	tongue  *tongue
}

// choices lists the ways to look at an event; in says which is chosen. It fails with not_found for one that there is not.
func (c *console) choices(change *carillon.Change, row eventRow, in string) ([]choice, error) {
	if in == "" {
		in = nativeTongue
	}
	list := make([]choice, 0, len(c.tongues)+1)
	add := func(name, label string, t *tongue) {
		ch := choice{Label: label, URL: fmt.Sprintf("/console/events/%d/%d?in=%s", row.Seq, row.Index, url.QueryEscape(name)), Current: name == in, tongue: t}
		ch.Silent = t != nil && len(t.Events(change)) == 0
		list = append(list, ch)
	}
	for i := range c.tongues {
		add(c.tongues[i].Name(), c.tongues[i].Name(), &c.tongues[i])
	}
	add(everyTongue, "Side by side", nil)
	if !slices.ContainsFunc(list, func(ch choice) bool { return ch.Current }) {
		return nil, carillon.NotFound("the dialect", shorten(in, 40))
	}
	return list, nil
}

// telling is a change in one dialect: a message, or for a dialect that has no words for it none.
type telling struct {
	Dialect     string
	Type        string
	ContentType string
	Size        int64
	Place       string // of its JSON in the page
	JSON        []token
}

// tell renders an event in the dialects that are chosen, with what the log says around the change: in dialects that have
// the event's name that event, in the others all that the change means to them.
func (c *console) tell(ctx context.Context, change *carillon.Change, row eventRow, choices []choice) ([]telling, error) {
	all := choices[len(choices)-1].Current
	var list []telling
	for _, ch := range choices {
		if ch.tongue == nil || !ch.Current && !all {
			continue
		}
		names := ch.tongue.Events(change)
		same := slices.Contains(names, row.Type)
		for i, name := range names {
			if same && name != row.Type {
				continue
			}
			m, err := dialect.Encode(ctx, ch.tongue.Dialect, carillon.Event{Change: change, Index: i, Type: name}, ch.tongue.settings, store.Past{Log: c.Store})
			if err != nil {
				return nil, fmt.Errorf("encode event %d of change %d in %s: %w", i, change.Seq, ch.Label, err)
			}
			list = append(list, telling{
				Dialect: ch.Label, Type: name, ContentType: m.ContentType, Size: int64(len(m.Body)),
				Place: fmt.Sprintf("json-%s-%d", ch.Label, i), JSON: coloured(m.Body),
			})
		}
		if len(names) == 0 {
			list = append(list, telling{Dialect: ch.Label})
		}
	}
	return list, nil
}
