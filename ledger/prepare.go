package ledger

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"carillon"
	"carillon/store"
)

// maxBesideLength bounds what goes beside the bodies: key, scope, origin and the members of the actor.
const maxBesideLength = 255

// entry is an Entry read and checked as far as that goes without the store.
type entry struct {
	Entry
	writes      []write
	fingerprint [32]byte // of the writes as sent, if there is a Key
	size        int      // bytes of all bodies
	reply       Reply
}

// write is a Write read and checked as far as that goes without the store.
type write struct {
	*Write
	ref   carillon.Ref
	table *table
	// named are the members the body names, canonical; in a Patch, null where a member is to be unset. For Create and
	// Put these are all members but those the ledger sets: defaults are filled in.
	named members
	// customs are the custom fields a Patch names; nil, with null in named, to unset them all.
	customs []custom
	// on is what a comment's body says it is about, for comments that do not come by URL.
	on    carillon.Ref
	extra []extraValue
}

// prepare reads and checks an entry. It uses nothing but its arguments, so that callers do it side by side.
func (l *Ledger) prepare(e Entry) (*entry, error) {
	p := &entry{Entry: e, writes: make([]write, len(e.Writes))}
	if err := l.checkEntry(&e); err != nil {
		return nil, err
	}
	for i := range e.Writes {
		w := &p.writes[i]
		w.Write = &e.Writes[i]
		p.size += len(w.Data)
		if err := l.prepareWrite(w, e.Actor); err != nil {
			return nil, inWrite(i, len(e.Writes), err)
		}
	}
	if e.Key != "" && !e.KeyAlone {
		p.fingerprint = fingerprint(p.writes)
	}
	return p, nil
}

func (l *Ledger) checkEntry(e *Entry) error {
	switch {
	case !carillon.ValidID(e.Org):
		return carillon.Invalid("org", idReason)
	case len(e.Writes) > l.limits.Writes:
		return &carillon.Error{
			Code: carillon.CodeTooLarge, Message: fmt.Sprintf("%d writes cannot be done as a whole: the limit is %d", len(e.Writes), l.limits.Writes),
			Hint: "divide them",
		}
	}
	for _, part := range []struct{ member, value string }{
		{"Idempotency-Key", e.Key},
		{"scope", e.Scope},
		{"origin", e.Origin},
		{"actor/id", e.Actor.ID},
		{"actor/type", e.Actor.Type},
		{"actor/email", e.Actor.Email},
	} {
		if part.value == "" {
			continue
		}
		if reason := checkLine(part.value, maxBesideLength); reason != "" {
			return carillon.Invalid(part.member, reason)
		}
	}
	return nil
}

// inWrite says which of several writes an error is about.
func inWrite(i, of int, err error) error {
	var e *carillon.Error
	if of == 1 || !errors.As(err, &e) {
		return err
	}
	in := *e
	in.Message = fmt.Sprintf("write %d of %d: %s", i+1, of, e.Message)
	return &in
}

func (l *Ledger) prepareWrite(w *write, actor carillon.Actor) error {
	w.ref = w.Ref
	if w.table = tables[w.Kind]; w.table == nil {
		return carillon.Invalid("kind", fmt.Sprintf("%q is not a kind", w.Kind))
	}
	switch {
	case w.Op != Create && w.Op != Put && w.Op != Patch && w.Op != Delete && w.Op != Ensure:
		return carillon.Invalid("op", fmt.Sprintf("%q is not an op: create, put, patch or delete", w.Op))
	case w.Kind == carillon.KindCustom && !carillon.ValidID(w.Module):
		return carillon.Invalid("module", idReason)
	case w.Kind != carillon.KindCustom && w.Module != "":
		return carillon.Invalid("module", "must be empty: only custom records have modules")
	case w.ID != "" && !carillon.ValidID(w.ID):
		return carillon.Invalid("id", idReason)
	case w.IfMatch < 0:
		return carillon.Invalid("If-Match", "must be a version: 1 or more")
	case w.Op == Delete && w.ID == "":
		return carillon.Invalid("id", "must be named")
	}
	var err error
	if w.extra, err = prepareExtra(w.Extra, l.limits); err != nil || w.Op == Delete {
		return err
	}
	return l.prepareBody(w, actor)
}

// prepareBody reads the body into w.named, or says all that is wrong with it.
func (l *Ledger) prepareBody(w *write, actor carillon.Actor) error {
	body, err := l.parse(w)
	if err != nil {
		return err
	}
	t := w.table
	c := &checker{limits: l.limits, patch: w.Op == Patch}
	hasNUL := bytes.Contains(body, []byte(`\u0000`))
	w.named = make(members, len(t.fields))
	for rawName, value := range objectMembers(body) {
		name := rawName[1 : len(rawName)-1]
		n, ok := carillon.FieldNumber(t.kind, string(name))
		if !ok {
			if s := string(name); s != "version" && s != "number" { // the API answers with them and takes them back
				c.fault(at(abridge(text(rawName))), unknown(text(rawName), string(t.kind), t.fields))
			}
			continue
		}
		f := &t.fields[n]
		switch {
		case f.ReadOnly:
			w.house(c, n, value)
		case hasNUL && mentionsNUL(value):
			c.fault(at(f.Name), "must not contain U+0000")
		case value[0] == 'n':
			w.unset(c, n, actor)
		case n == t.custom:
			if w.customs = c.customs(value, f.Name); w.Op != Patch {
				w.named[n] = spliceCustoms(w.customs)
			}
		default:
			if w.named[n] = c.value(f, value, at(f.Name)); w.named[n] == nil && w.Op == Patch {
				w.named[n] = null
			}
		}
	}
	if w.Op != Patch {
		w.fill(c, actor)
	}
	if w.ref.ID == "" {
		if w.Op != Create {
			c.fault(at("id"), "must be named")
		} else if w.ref.ID = l.newID(t.kind.IDPrefix()); !carillon.ValidID(w.ref.ID) {
			return fmt.Errorf("make an id for a new %s: %q is not one", t.kind, w.ref.ID)
		}
	}
	return c.err(w.ref)
}

// err gives what is wrong with the record as one error.
func (c *checker) err(ref carillon.Ref) error {
	if ref.ID == "" {
		return c.failure("the " + string(ref.Kind) + " is not valid")
	}
	return c.failure(ref.String() + " is not valid")
}

// house reads a member that the ledger sets: all but the id are ignored, since clients send back what they were given.
func (w *write) house(c *checker, n int, value []byte) {
	switch n {
	case w.table.id:
		switch {
		case value[0] == 'n':
		case value[0] != '"':
			c.mistyped(at("id"), "a string", value)
		case w.ref.ID != "" && text(value) != w.ref.ID:
			c.fault(at("id"), fmt.Sprintf("must be %q, the id in the path, or absent", w.ref.ID))
		case !carillon.ValidID(text(value)):
			c.fault(at("id"), idReason)
		default:
			w.ref.ID = text(value)
		}
	case w.table.entityType:
		if value[0] == '"' {
			w.on.Kind = carillon.Kind(text(value))
		}
	case w.table.entityID:
		if value[0] == '"' {
			w.on.ID = text(value)
		}
	}
}

// unset takes a null: nothing is named in a Create or Put, a Patch goes back to the default or to nothing.
func (w *write) unset(c *checker, n int, actor carillon.Actor) {
	f := &w.table.fields[n]
	switch {
	case w.Op != Patch:
	case !f.Required:
		w.named[n] = null
	case f.Default == "":
		c.fault(at(f.Name), "is required and cannot be unset")
	default:
		w.named[n] = defaultValue(f, actor)
	}
}

func defaultValue(f *carillon.Field, actor carillon.Actor) []byte {
	if f.Default == carillon.DefaultActor {
		return quoted(actor.ID)
	}
	return quoted(f.Default)
}

// fill gives required members their defaults and notes those that have none.
func (w *write) fill(c *checker, actor carillon.Actor) {
	for n := range w.table.fields {
		f := &w.table.fields[n]
		switch {
		case !f.Required || f.ReadOnly || w.named[n] != nil:
		case f.Default != "":
			w.named[n] = defaultValue(f, actor)
		case !slices.ContainsFunc(c.faults, func(fault carillon.Fault) bool { return fault.Member == "/"+f.Name }):
			c.fault(at(f.Name), "is required")
		}
	}
}

// parse checks that the body is one JSON object and gives it without white space, strings in their shortest form.
func (l *Ledger) parse(w *write) ([]byte, error) {
	if len(w.Data) > l.limits.Body {
		return nil, &carillon.Error{
			Code:    carillon.CodeTooLarge,
			Message: fmt.Sprintf("the body has %d bytes: the limit is %d", len(w.Data), l.limits.Body),
		}
	}
	if tooDeep(w.Data, l.limits.Depth) {
		return nil, &carillon.Error{
			Code:    carillon.CodeTooLarge,
			Message: fmt.Sprintf("the body is nested deeper than %d levels", l.limits.Depth),
		}
	}
	body := jsontext.Value(bytes.Clone(w.Data))
	if body.Format() != nil {
		return nil, malformed(w.Data)
	}
	if body[0] != '{' {
		return nil, carillon.Invalid("", "must be an object, is "+typeName(body))
	}
	return body, nil
}

// malformed says where a body stops being JSON (RFC 8259, with unique names and in UTF-8 as RFC 7493 wants it).
func malformed(body []byte) error {
	d := jsontext.NewDecoder(bytes.NewReader(body))
	err := d.SkipValue()
	at := d.InputOffset()
	if err == nil {
		if _, err = d.ReadToken(); err == nil {
			err = errors.New("more follows the end of the value")
		}
	}
	where, reason := "", err.Error()
	var syntax *jsontext.SyntacticError
	switch {
	case errors.As(err, &syntax):
		at, where, reason = syntax.ByteOffset, string(syntax.JSONPointer), syntax.Err.Error()
		if errors.Is(err, jsontext.ErrDuplicateName) && len(where) <= maxQuotedNameLength {
			reason = fmt.Sprintf("%s %q", reason, syntax.JSONPointer.LastToken())
		}
	case errors.Is(err, io.EOF):
		reason = "it is empty"
	}
	at = min(at, int64(len(body)))
	line := bytes.Count(body[:at], []byte{'\n'}) + 1
	column := int(at) - bytes.LastIndexByte(body[:at], '\n')
	if len(where) > maxQuotedNameLength {
		where = ""
	}
	return &carillon.Error{
		Code:    carillon.CodeMalformed,
		Message: "the body is not valid JSON",
		Faults: []carillon.Fault{{
			Member: where,
			Reason: fmt.Sprintf("line %d, column %d (byte %d): %s", line, column, at, strings.TrimPrefix(reason, "jsontext: ")),
		}},
	}
}

// mentionsNUL reports whether a string inside the value has U+0000, which no database keeps in text.
func mentionsNUL(value []byte) bool {
	for i := 0; ; {
		j := bytes.Index(value[i:], []byte(`\u0000`))
		if j < 0 {
			return false
		}
		i += j
		escapes := 0
		for escapes < i && value[i-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return true
		}
		i++
	}
}

// extraValue is what a vendor sent that has no canonical place; nil forgets it.
type extraValue struct {
	dialect string
	value   []byte
}

func prepareExtra(extra map[string][]byte, limits Limits) ([]extraValue, error) {
	if len(extra) == 0 {
		return nil, nil
	}
	list := make([]extraValue, 0, len(extra))
	for dialect, value := range extra {
		compact := jsontext.Value(bytes.Clone(value))
		switch {
		case !carillon.ValidID(dialect):
			return nil, carillon.Invalid("extra", "must name dialects")
		case len(value) > limits.Body || tooDeep(value, limits.Depth):
			return nil, &carillon.Error{Code: carillon.CodeTooLarge, Message: "what " + dialect + " sent is too large or too deep to be kept"}
		case compact.Format(jsontext.PreserveRawStrings(true)) != nil:
			return nil, carillon.Invalid("extra/"+dialect, "must be JSON")
		}
		if string(compact) == "null" {
			compact = nil
		}
		list = append(list, extraValue{dialect, compact})
	}
	slices.SortFunc(list, func(a, b extraValue) int { return cmp.Compare(a.dialect, b.dialect) })
	return list, nil
}

// fingerprint tells one list of writes from another, whatever the white space.
func fingerprint(writes []write) [32]byte {
	h := sha256.New()
	part := func(b []byte) {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(b)))
		_, _ = h.Write(size[:]) // never fails (hash.Hash)
		_, _ = h.Write(b)
	}
	for i := range writes {
		w := &writes[i]
		for _, s := range []string{
			string(w.Op), string(w.Kind), w.Module, w.ID, string(w.On.Kind), w.On.Module, w.On.ID,
			fmt.Sprint(w.IfMatch, w.Cascade, len(w.extra)),
		} {
			part([]byte(s))
		}
		body := jsontext.Value(bytes.Clone(w.Data))
		if w.Op == Delete {
			body = nil
		} else {
			_ = body.Format(sortedNames) // valid: it has been read
		}
		part(body)
		for _, x := range w.extra {
			part([]byte(x.dialect))
			part(x.value)
		}
	}
	return [32]byte(h.Sum(nil))
}

// keys are the records that the write is sure to need.
func (w *write) keys(org string, list []store.RecordKey) []store.RecordKey {
	list = append(list, store.RecordKey{Org: org, Ref: w.ref})
	if w.On.ID != "" {
		list = append(list, store.RecordKey{Org: org, Ref: w.On})
	}
	if w.table != nil && w.named != nil {
		for _, n := range w.table.refs {
			for id := range ids(w.named[n]) {
				list = append(list, store.RecordKey{Org: org, Ref: carillon.Ref{Kind: w.table.fields[n].Ref, ID: id}})
			}
		}
	}
	return list
}
