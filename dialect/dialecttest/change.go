package dialecttest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"pgregory.net/rapid"

	"carillon"
	"carillon/dialect"
)

// Changes generates changes of every kind and op, whose states hold to the field tables, as the ledger would append them.
func Changes() *rapid.Generator[*carillon.Change] { return changesOf(carillon.Kinds, ops) }

var ops = []carillon.Op{carillon.OpCreated, carillon.OpUpdated, carillon.OpDeleted}

func changesOf(kinds []carillon.Kind, ops []carillon.Op) *rapid.Generator[*carillon.Change] {
	return rapid.Custom(func(t *rapid.T) *carillon.Change {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		c := &carillon.Change{
			Org:     rapid.StringMatching(`[a-z]{1,8}`).Draw(t, "org"),
			Seq:     rapid.Int64Range(1, 1<<50).Draw(t, "seq"),
			Ref:     carillon.Ref{Kind: kind, ID: id().Draw(t, "id")},
			Op:      rapid.SampledFrom(ops).Draw(t, "op"),
			Number:  rapid.Int64Range(1, 1<<40).Draw(t, "number"),
			Version: rapid.Int64Range(2, 1000).Draw(t, "version"),
			Lane:    id().Draw(t, "lane"),
			Time:    moment().Draw(t, "time"),
			Actor: carillon.Actor{
				ID: id().Draw(t, "actor"), Type: text().Draw(t, "actorType"), Email: text().Draw(t, "actorEmail"),
			},
			Origin: rapid.SampledFrom([]string{"api", "batch", "cascade", dialect.OriginSnapshot}).Draw(t, "origin"),
		}
		if kind == carillon.KindCustom {
			c.Module = rapid.StringMatching(`[a-z]{1,8}`).Draw(t, "module")
		}
		record := drawRecord(t, c)
		switch c.Op {
		case carillon.OpCreated:
			c.Version = 1
			c.After = record.json(carillon.Fields(kind))
		case carillon.OpDeleted:
			c.Before = record.json(carillon.Fields(kind))
		default:
			c.Before = record.json(carillon.Fields(kind))
			c.Changed = record.update(t, kind)
			record.members["updatedAt"] = quote(carillon.FormatTime(c.Time))
			c.After = record.json(carillon.Fields(kind))
		}
		return c
	})
}

// record is a record's members as JSON, its custom fields apart.
type record struct {
	members map[string]string
	custom  map[string]string
}

func drawRecord(t *rapid.T, c *carillon.Change) record {
	r := record{members: map[string]string{}, custom: map[string]string{}}
	for _, f := range carillon.Fields(c.Kind) {
		switch {
		case f.Type == carillon.TypeCustomFields:
			r.custom = rapid.MapOf(uid(), values()).Draw(t, f.Name)
		case f.Required || rapid.Bool().Draw(t, "has "+f.Name):
			r.members[f.Name] = drawValue(t, f)
		}
	}
	r.members["id"] = quote(c.ID)
	switch c.Kind {
	case carillon.KindComment:
		on := rapid.SampledFrom([]carillon.Kind{carillon.KindActivity, carillon.KindNote, carillon.KindTask}).Draw(t, "on")
		r.members["entityType"] = quote(string(on))
		r.members["entityId"] = quote(id().Draw(t, "entityId"))
		r.members["accountId"] = quote(id().Draw(t, "accountId"))
	case carillon.KindCustom:
		r.members["module"] = quote(c.Module)
	}
	return r
}

// update changes some members and says which.
func (r record) update(t *rapid.T, kind carillon.Kind) []carillon.MemberChange {
	var changed []carillon.MemberChange
	for _, f := range carillon.Fields(kind) {
		if f.ReadOnly {
			continue
		}
		if f.Type == carillon.TypeCustomFields {
			uids := slices.Collect(maps.Keys(r.custom))
			for uid := range rapid.MapOf(uid(), rapid.Bool()).Draw(t, "touched") {
				uids = append(uids, uid)
			}
			slices.Sort(uids)
			for _, uid := range slices.Compact(uids) {
				changed = change(t, r.custom, uid, carillon.CustomFieldsPrefix+uid, false, values().Draw(t, uid), changed)
			}
			continue
		}
		changed = change(t, r.members, f.Name, f.Name, f.Required, drawValue(t, f), changed)
	}
	return changed
}

// change does one thing, or nothing, to a member, and notes what.
func change(t *rapid.T, members map[string]string, name, as string, required bool, value string, changed []carillon.MemberChange) []carillon.MemberChange {
	old, had := members[name]
	switch rapid.IntRange(0, 3).Draw(t, "change "+name) {
	case 0:
		if !had || required {
			return changed
		}
		delete(members, name)
		return append(changed, carillon.MemberChange{Name: as, How: carillon.Removed})
	case 1:
		if had && old == value {
			return changed
		}
		members[name] = value
		if had {
			return append(changed, carillon.MemberChange{Name: as, How: carillon.Updated})
		}
		return append(changed, carillon.MemberChange{Name: as, How: carillon.Added})
	default:
		return changed
	}
}

// json is the record's native form.
func (r record) json(fields []carillon.Field) []byte {
	b := []byte{'{'}
	for _, f := range fields {
		value, ok := r.members[f.Name]
		if f.Type == carillon.TypeCustomFields {
			value, ok = joined(r.custom), len(r.custom) > 0
		}
		if ok {
			b = appendMember(b, f.Name, value)
		}
	}
	return append(b, '}')
}

func joined(members map[string]string) string {
	b := []byte{'{'}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		b = appendMember(b, name, members[name])
	}
	return string(append(b, '}'))
}

func appendMember(b []byte, name, value string) []byte {
	if len(b) > 1 {
		b = append(b, ',')
	}
	b = dialect.AppendString(b, name)
	b = append(b, ':')
	return append(b, value...)
}

func drawValue(t *rapid.T, f carillon.Field) string {
	switch f.Type {
	case carillon.TypeBool:
		return strconv.FormatBool(rapid.Bool().Draw(t, f.Name))
	case carillon.TypeInteger:
		return strconv.FormatInt(rapid.Int64().Draw(t, f.Name), 10)
	case carillon.TypeNumber:
		return rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,5})?(e[+-]?[0-9]{1,2})?`).Draw(t, f.Name)
	case carillon.TypeTime:
		return quote(carillon.FormatTime(moment().Draw(t, f.Name)))
	case carillon.TypeDate:
		return quote(moment().Draw(t, f.Name).Format(time.DateOnly))
	case carillon.TypeRef:
		return quote(id().Draw(t, f.Name))
	case carillon.TypeRefs:
		return listOf(t, f.Name, id())
	case carillon.TypeStrings:
		return listOf(t, f.Name, text())
	case carillon.TypeObject:
		members := map[string]string{}
		for _, m := range f.Members {
			if rapid.Bool().Draw(t, "has "+m.Name) {
				members[m.Name] = drawValue(t, m)
			}
		}
		return string(record{members: members}.json(f.Members))
	case carillon.TypeMap:
		return joined(rapid.MapOfN(uid(), values(), 0, 3).Draw(t, f.Name))
	case carillon.TypeJSON:
		return rapid.SampledFrom([]string{`null`, `[]`, `{"type":"doc","content":[{"text":"\"entityType\":\"planet\""}]}`, `"x"`, `0`}).Draw(t, f.Name)
	default:
		s := text().Draw(t, f.Name)
		if s == "" && f.NonEmpty {
			s = "x"
		}
		return quote(string([]rune(s)[:min(len([]rune(s)), f.Limit())]))
	}
}

func quote(s string) string { return string(dialect.AppendString(nil, s)) }

func listOf(t *rapid.T, label string, element *rapid.Generator[string]) string {
	list := rapid.SliceOfN(element, 0, 4).Draw(t, label)
	b := []byte{'['}
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = dialect.AppendString(b, s)
	}
	return string(append(b, ']'))
}

// values generates the values of a custom field as JSON.
func values() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string { return listOf(t, "values", text()) })
}

func id() *rapid.Generator[string] {
	return rapid.StringMatching(`[A-Za-z0-9_.:@+=~-]{1,40}`).Filter(carillon.ValidID)
}

// uid generates few different uids, so that the fields of an update meet those of the record.
func uid() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string { return fmt.Sprintf("field_%d", rapid.IntRange(0, 30).Draw(t, "uid")) })
}

// text generates any text, what JSON must escape included.
func text() *rapid.Generator[string] {
	return rapid.OneOf(rapid.StringN(0, 20, -1), rapid.SampledFrom([]string{"", `"`, `\`, "a\nb", "</script>", "漢字 é 😀", `\"}],`}))
}

func moment() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		return time.UnixMilli(rapid.Int64Range(0, 4102444800000).Draw(t, "ms")).UTC()
	})
}
