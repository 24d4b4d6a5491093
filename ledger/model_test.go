package ledger_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"carillon"
	"carillon/ledger"
	"carillon/store"
)

// model is the ledger told simply: records as maps, every rule looked up by walking all of them.
type model map[carillon.Ref]*modelRecord

type modelRecord struct {
	version int64
	members map[string]any
}

func (m model) clone() model {
	c := model{}
	for ref, r := range m {
		c[ref] = &modelRecord{r.version, maps.Clone(r.members)}
	}
	return c
}

// modelRefs are the members that refer to other records, by kind: what they refer to and what a deletion does to them.
var modelRefs = map[carillon.Kind]map[string]struct {
	to       carillon.Kind
	onDelete carillon.OnDelete
}{
	carillon.KindAccount: {"parentAccountId": {carillon.KindAccount, carillon.OnDeleteClear}},
	carillon.KindContact: {"accountId": {carillon.KindAccount, carillon.OnDeleteRefuse}},
	carillon.KindTask:    {"accountId": {carillon.KindAccount, carillon.OnDeleteRefuse}},
	carillon.KindDeal: {
		"accountId":  {carillon.KindAccount, carillon.OnDeleteRefuse},
		"contactIds": {carillon.KindContact, carillon.OnDeleteClear},
	},
	carillon.KindComment: {
		"entityId":        {carillon.KindTask, carillon.OnDeleteCascade},
		"parentCommentId": {carillon.KindComment, carillon.OnDeleteClear},
	},
}

var modelDefaults = map[carillon.Kind]map[string]any{
	carillon.KindAccount: {"status": "ACTIVE", "health": "UNKNOWN", "classification": "UNCLASSIFIED"},
	carillon.KindContact: {"type": "CUSTOMER", "status": "ACTIVE"},
	carillon.KindTask:    {"status": "Open", "priority": "Medium"},
	carillon.KindDeal:    {"stage": "New"},
	carillon.KindComment: {"commentType": "comment", "commentVisibility": "public", "authorId": agent.ID},
}

func idsOf(value any) []string {
	switch v := value.(type) {
	case string:
		if v != "" {
			return []string{v}
		}
	case []any:
		var list []string
		for _, id := range v {
			list = append(list, id.(string))
		}
		return list
	}
	return nil
}

// refersTo reports whether the record names the target, and the harshest thing that the target's deletion does to it.
func (r *modelRecord) refersTo(kind carillon.Kind, target carillon.Ref) (carillon.OnDelete, bool) {
	found, fate := false, carillon.OnDeleteClear
	for name, to := range modelRefs[kind] {
		if to.to == target.Kind && slices.Contains(idsOf(r.members[name]), target.ID) {
			found = true
			if to.onDelete != carillon.OnDeleteClear {
				fate = to.onDelete
			}
		}
	}
	return fate, found
}

// apply does one write, and says how many changes it made or with which code it fails. A failure may leave the model half done.
func (m model) apply(w ledger.Write) (changes int, code carillon.Code) {
	r := m[w.Ref]
	switch {
	case r == nil && (w.Op == ledger.Patch || w.Op == ledger.Delete):
		return 0, carillon.CodeNotFound
	case r != nil && w.Op == ledger.Create:
		return 0, carillon.CodeConflict
	case w.IfMatch != 0 && (r == nil || r.version != w.IfMatch):
		return 0, carillon.CodeStale
	case r != nil && w.Kind == carillon.KindComment && r.members["entityId"] != w.On.ID:
		return 0, carillon.CodeNotFound
	case w.Op == ledger.Delete:
		return m.remove(w.Ref, w.Cascade)
	}
	var body map[string]any
	if err := json.Unmarshal(w.Data, &body); err != nil {
		panic(err)
	}
	after := map[string]any{}
	if w.Op == ledger.Patch {
		after = maps.Clone(r.members)
	} else {
		maps.Copy(after, modelDefaults[w.Kind])
	}
	for name, value := range body {
		switch list, isList := value.([]any); {
		case value == nil && modelDefaults[w.Kind][name] != nil:
			after[name] = modelDefaults[w.Kind][name]
		case value == nil || isList && len(list) == 0:
			delete(after, name)
		default:
			after[name] = value
		}
	}
	after["id"] = w.ID
	if w.Kind == carillon.KindComment {
		task := m[w.On]
		if task == nil {
			return 0, carillon.CodeNotFound
		}
		after["entityType"], after["entityId"], after["accountId"] = "task", w.On.ID, task.members["accountId"]
	}
	if r != nil && reflect.DeepEqual(after, r.members) {
		return 0, ""
	}
	for name, to := range modelRefs[w.Kind] {
		for _, id := range idsOf(after[name]) {
			target := m[ref(to.to, id)]
			if target == nil || id == w.ID && to.to == w.Kind {
				return 0, carillon.CodeInvalid
			}
			if to.to != w.Kind {
				continue
			}
			if w.Kind == carillon.KindComment && target.members["entityId"] != w.On.ID {
				return 0, carillon.CodeInvalid
			}
			for up := target; up != nil; up = m[ref(w.Kind, fmt.Sprint(up.members[name]))] {
				if up.members["id"] == w.ID {
					return 0, carillon.CodeInvalid
				}
			}
		}
	}
	if r == nil {
		m[w.Ref] = &modelRecord{1, after}
		return 1, ""
	}
	moved := r.members["accountId"] != after["accountId"]
	r.version, r.members = r.version+1, after
	changes = 1
	if moved && w.Kind == carillon.KindTask {
		for ref, comment := range m {
			if ref.Kind == carillon.KindComment && comment.members["entityId"] == w.ID {
				comment.version++
				comment.members["accountId"] = after["accountId"]
				changes++
			}
		}
	}
	return changes, ""
}

func (m model) remove(root carillon.Ref, cascade bool) (changes int, code carillon.Code) {
	doomed := map[carillon.Ref]bool{root: true}
	for grown := true; grown; {
		grown = false
		for ref, r := range m {
			for target := range doomed {
				fate, ok := r.refersTo(ref.Kind, target)
				if !ok || doomed[ref] || fate == carillon.OnDeleteClear {
					continue
				}
				if fate == carillon.OnDeleteRefuse && !cascade {
					return 0, carillon.CodeConflict
				}
				doomed[ref], grown = true, true
			}
		}
	}
	for ref, r := range m {
		if doomed[ref] {
			continue
		}
		cleared := false
		for name, to := range modelRefs[ref.Kind] {
			ids := idsOf(r.members[name])
			left := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return doomed[carillon.Ref{Kind: to.to, ID: id}] })
			switch {
			case len(left) == len(ids):
				continue
			case len(left) == 0:
				delete(r.members, name)
			default:
				var list []any
				for _, id := range left {
					list = append(list, id)
				}
				r.members[name] = list
			}
			cleared = true
		}
		if cleared {
			r.version++
			changes++
		}
	}
	for ref := range doomed {
		delete(m, ref)
		changes++
	}
	return changes, ""
}

func (m model) lane(ref carillon.Ref) string {
	account, _ := m[ref].members["accountId"].(string)
	if account == "" && ref.Kind == carillon.KindComment {
		return "task/" + m[ref].members["entityId"].(string)
	}
	return carillon.LaneOf(ref, account)
}

// drawWrite makes a write about few ids, so that writes meet.
func drawWrite(t *rapid.T, versions func(carillon.Ref) int64) ledger.Write {
	id := func(prefix string) string { return fmt.Sprint(prefix, rapid.IntRange(1, 4).Draw(t, "id")) }
	kind := rapid.SampledFrom([]carillon.Kind{
		carillon.KindAccount, carillon.KindContact, carillon.KindTask, carillon.KindDeal, carillon.KindComment,
	}).Draw(t, "kind")
	w := ledger.Write{
		Op: rapid.SampledFrom([]ledger.Op{
			ledger.Create, ledger.Put, ledger.Put, ledger.Patch, ledger.Patch, ledger.Delete,
		}).Draw(t, "op"),
		Ref: ref(kind, id(string(kind))),
	}
	if kind == carillon.KindComment {
		w.On = ref(carillon.KindTask, id("task"))
	}
	if rapid.IntRange(0, 5).Draw(t, "ifMatch") == 0 {
		w.IfMatch = versions(w.Ref) + int64(rapid.IntRange(0, 1).Draw(t, "off"))
	}
	if w.Op == ledger.Delete {
		w.Cascade = rapid.Bool().Draw(t, "cascade")
		return w
	}
	word := func() any { return rapid.SampledFrom([]any{"x", "y"}).Draw(t, "word") }
	optional := func(body map[string]any, name string, value func() any) {
		switch rapid.IntRange(0, 3).Draw(t, name) {
		case 0:
			body[name] = nil
		case 1, 2:
			body[name] = value()
		}
	}
	accountID := func() any { return id("account") }
	required := map[string]any{}
	body := map[string]any{}
	switch kind {
	case carillon.KindAccount:
		required["name"] = word()
		optional(body, "health", word)
		optional(body, "parentAccountId", accountID)
		optional(body, "tags", func() any { return rapid.SliceOfN(rapid.SampledFrom([]any{"a", "b"}), 0, 2).Draw(t, "tags") })
	case carillon.KindContact:
		required["firstName"], required["lastName"], required["email"], required["accountId"] = word(), word(), word(), accountID()
	case carillon.KindTask:
		required["title"] = word()
		required["accountId"] = rapid.SampledFrom([]any{"", accountID(), accountID()}).Draw(t, "account")
	case carillon.KindDeal:
		required["name"] = word()
		optional(body, "accountId", accountID)
		optional(body, "contactIds", func() any {
			return rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) any { return fmt.Sprint("contact", rapid.IntRange(1, 4).Draw(t, "id")) }), 0, 3, rapid.ID[any]).Draw(t, "contacts")
		})
	case carillon.KindComment:
		required["content"] = word()
		optional(body, "parentCommentId", func() any { return id("comment") })
	}
	for name, value := range required {
		if w.Op != ledger.Patch || rapid.Bool().Draw(t, "names "+name) {
			body[name] = value
		}
	}
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	w.Data = data
	return w
}

func TestTheLedgerDoesWhatTheModelDoes(t *testing.T) {
	d := openDesk(t)
	var orgs atomic.Int64
	rapid.Check(t, func(rt *rapid.T) {
		org := fmt.Sprint("org_", orgs.Add(1))
		m := model{}
		version := func(ref carillon.Ref) int64 {
			if m[ref] == nil {
				return 0
			}
			return m[ref].version
		}
		changes := 0
		seed := ledger.Entry{Org: org, Actor: agent, Origin: "api", Writes: []ledger.Write{
			write(ledger.Create, carillon.KindAccount, "account1", `{"name":"x"}`),
			write(ledger.Create, carillon.KindAccount, "account2", `{"name":"x","parentAccountId":"account1"}`),
			write(ledger.Create, carillon.KindContact, "contact1", `{"firstName":"x","lastName":"x","email":"x","accountId":"account1"}`),
			write(ledger.Create, carillon.KindContact, "contact2", `{"firstName":"x","lastName":"x","email":"x","accountId":"account2"}`),
			write(ledger.Create, carillon.KindTask, "task1", `{"title":"x","accountId":"account1"}`),
			write(ledger.Create, carillon.KindTask, "task2", `{"title":"x","accountId":""}`),
		}}
		for _, w := range seed.Writes {
			n, _ := m.apply(w)
			changes += n
		}
		if _, err := d.Apply(t.Context(), seed); err != nil {
			rt.Fatal(err)
		}
		for range rapid.IntRange(1, 6).Draw(rt, "batches") {
			var entries []ledger.Entry
			var codes []carillon.Code
			for range rapid.IntRange(1, 8).Draw(rt, "entries") {
				e := ledger.Entry{Org: org, Actor: agent, Origin: "api"}
				before, made := m.clone(), 0
				var code carillon.Code
				for range rapid.IntRange(1, 3).Draw(rt, "writes") {
					w := drawWrite(rt, version)
					e.Writes = append(e.Writes, w)
					if code == "" {
						var n int
						n, code = m.apply(w)
						made += n
					}
				}
				if code != "" {
					made, m = 0, before
				}
				changes += made
				entries, codes = append(entries, e), append(codes, code)
			}
			for i, r := range d.ApplyAll(t.Context(), entries) {
				if got := carillon.ErrorCode(r.Err); got != codes[i] {
					rt.Fatalf("entry %d of the batch: got %v, want code %q\n%s", i, r.Err, codes[i], showWrites(entries[i].Writes))
				}
			}
		}
		compareWithModel(rt, d.store, org, m, changes)
	})
}

func showWrites(writes []ledger.Write) string {
	s := ""
	for _, w := range writes {
		s += fmt.Sprintf("  %s %s on %s if %d cascade %t %s\n", w.Op, w.Ref, w.On, w.IfMatch, w.Cascade, w.Data)
	}
	return s
}

// compareWithModel compares the records that stand, and those that the log adds up to, with the model.
func compareWithModel(t *rapid.T, s store.Store, org string, m model, changes int) {
	ctx := t.Context()
	stored := map[carillon.Ref]*carillon.Record{}
	for kind := range modelRefs {
		list, err := s.Records(ctx, org, store.RecordQuery{Kind: kind, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			stored[r.Ref] = r
		}
	}
	if len(stored) != len(m) {
		t.Fatalf("%d records stand, the model has %d", len(stored), len(m))
	}
	for ref, want := range m {
		got := stored[ref]
		if got == nil {
			t.Fatalf("%s is missing", ref)
		}
		var members map[string]any
		if err := json.Unmarshal(got.Data, &members); err != nil {
			t.Fatal(err)
		}
		delete(members, "createdAt")
		delete(members, "updatedAt")
		if !reflect.DeepEqual(members, want.members) || got.Version != want.version || got.Lane != m.lane(ref) {
			t.Fatalf("%s at version %d in lane %s is %v; the model has version %d, lane %s, %v",
				ref, got.Version, got.Lane, members, want.version, m.lane(ref), want.members)
		}
	}
	log, err := s.Changes(ctx, org, store.LogQuery{Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	if len(log) != changes {
		t.Fatalf("the log has %d changes, the model made %d", len(log), changes)
	}
	replayed := map[carillon.Ref]*carillon.Change{}
	numbers := map[int64]carillon.Ref{}
	for i, c := range log {
		last := replayed[c.Ref]
		switch {
		case c.Seq != int64(i)+1:
			t.Fatalf("seq %d follows %d", c.Seq, i)
		case last == nil && (c.Op != carillon.OpCreated || c.Before != nil || c.Version != 1):
			t.Fatalf("change %d (%s) begins a record", c.Seq, told(c))
		case last != nil && (c.Op == carillon.OpCreated || string(c.Before) != string(last.After) || c.Version != last.Version+1 || c.Number != last.Number):
			t.Fatalf("change %d (%s) does not follow on %d (%s)", c.Seq, told(c), last.Seq, told(last))
		case last != nil && (c.Lane != last.Lane) != c.Moved(), c.Moved() && c.PreviousLane != last.Lane:
			t.Fatalf("change %d (%s) is in lane %s after %s", c.Seq, told(c), c.Lane, last.Lane)
		case c.Op == carillon.OpUpdated && len(c.Changed) == 0:
			t.Fatalf("change %d changes nothing", c.Seq)
		}
		if c.Op == carillon.OpCreated {
			if numbers[c.Number].ID != "" {
				t.Fatalf("number %d belongs to %s and to %s", c.Number, numbers[c.Number], c.Ref)
			}
			numbers[c.Number] = c.Ref
		}
		if replayed[c.Ref] = c; c.Op == carillon.OpDeleted {
			delete(replayed, c.Ref)
		}
	}
	for ref, c := range replayed {
		if got := stored[ref]; got == nil || string(got.Data) != string(c.After) || got.Seq != c.Seq || got.Number != c.Number || got.Version != c.Version {
			t.Fatalf("the log ends with %s, what stands is %+v", told(c), got)
		}
	}
}
