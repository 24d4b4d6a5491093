package dialect

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"strings"

	"carillon"
)

// Echo is what a vendor would answer if it repeated to us what we tell it of a record: the Data of the statement about it.
// What a vendor says is held against it, member by member, so that only what the vendor really says differently is
// written: an "active" that we tell of a PROSPECT does not come back as ACTIVE, nor an address joined to one line as a
// new address. It is nil if the dialect does not tell of such records. settings and reading are those the
// dialect makes of no settings at all, or of the connection's.
func Echo(ctx context.Context, d Decoder, r *carillon.Record, s Settings, reading Reading, l Lookup) ([]byte, error) {
	change := SnapshotChange(r, r.Seq)
	types := d.Events(change)
	if len(types) == 0 {
		return nil, nil
	}
	m, err := Encode(ctx, d, carillon.Event{Change: change, Type: types[0]}, s, l)
	if err != nil {
		return nil, fmt.Errorf("tell of %s: %w", r.Ref, err)
	}
	decoded, err := d.Decode(RequestOf(&m), reading)
	if err != nil {
		return nil, fmt.Errorf("hear again of %s: %w", r.Ref, err)
	}
	for _, event := range decoded.Events {
		for _, statement := range event.Statements {
			if statement.Sort == Whole && statement.Kind == r.Kind && statement.ID == event.Ref.ID {
				return statement.Data, nil
			}
		}
	}
	return nil, nil
}

// RequestOf is the request in which a webhook carries a message.
func RequestOf(m *carillon.Message) Request {
	return Request{
		ContentType: m.ContentType,
		Body:        m.Body,
		Header: func(name string) string {
			for _, a := range m.Attributes {
				if header, ok := strings.CutPrefix(a.Name, "header:"); ok && strings.EqualFold(header, name) {
					return a.Value
				}
			}
			return ""
		},
	}
}

// FormPayload gives the JSON of a form that carries it in its field "payload", and any other body as it is; also JSON that is
// called a form, as senders do that leave the content type to their HTTP library.
func FormPayload(r Request) ([]byte, error) {
	media, _, _ := strings.Cut(r.ContentType, ";")
	if !strings.EqualFold(strings.TrimSpace(media), "application/x-www-form-urlencoded") {
		return r.Body, nil
	}
	if bare := bytes.TrimLeft(r.Body, " \t\r\n"); len(bare) > 0 && (bare[0] == '{' || bare[0] == '[') {
		return r.Body, nil
	}
	form, err := url.ParseQuery(string(r.Body))
	if err != nil {
		return nil, &carillon.Error{Code: carillon.CodeMalformed, Message: "the body is not a form", Err: err}
	}
	if !form.Has("payload") {
		return nil, carillon.Invalid("payload", "is required: the form field that holds the JSON")
	}
	return []byte(form.Get("payload")), nil
}

// Difference gives the members of heard that differ from those of echo, as a JSON merge patch on native JSON: objects are
// compared member by member, all else as a whole. It is nil if none differ. Both are compact objects; a member absent from
// echo counts as null.
func Difference(kind carillon.Kind, heard, echo []byte) []byte {
	return difference(kind, heard, echo, false)
}

// difference is Difference; with leave, custom fields that heard does not name do not differ.
func difference(kind carillon.Kind, heard, echo []byte, leave bool) []byte {
	known := map[string][]byte{}
	for name, value := range Members(echo) {
		known[Unquote(name)] = value
	}
	patch := []byte{'{'}
	for name, value := range Members(heard) {
		was := known[Unquote(name)]
		if same(value, was) {
			continue
		}
		if deep(kind, Unquote(name)) && value[0] == '{' && len(was) > 0 && was[0] == '{' {
			if value = differenceInside(value, was, leave && isCustomFields(kind, Unquote(name))); value == nil {
				continue
			}
		}
		patch = AppendMember(patch, name, value)
	}
	if len(patch) == 1 {
		return nil
	}
	return append(patch, '}')
}

func isCustomFields(kind carillon.Kind, name string) bool {
	n, ok := carillon.FieldNumber(kind, name)
	return ok && carillon.Fields(kind)[n].Type == carillon.TypeCustomFields
}

// deep reports whether a member of a kind may be an object, which a merge patch changes member by member.
func deep(kind carillon.Kind, name string) bool {
	n, ok := carillon.FieldNumber(kind, name)
	if !ok {
		return false
	}
	switch carillon.Fields(kind)[n].Type {
	case carillon.TypeObject, carillon.TypeCustomFields, carillon.TypeMap, carillon.TypeJSON:
		return true
	default:
		return false
	}
}

// differenceInside is a merge patch that makes heard of was; with leave, what heard does not name stays.
func differenceInside(heard, was []byte, leave bool) []byte {
	before := map[string][]byte{}
	for name, value := range Members(was) {
		before[Unquote(name)] = value
	}
	patch := []byte{'{'}
	for name, value := range Members(heard) {
		was := before[Unquote(name)]
		delete(before, Unquote(name))
		if same(value, was) {
			continue
		}
		if value[0] == '{' && len(was) > 0 && was[0] == '{' {
			if value = differenceInside(value, was, false); value == nil {
				continue
			}
		}
		patch = AppendMember(patch, name, value)
	}
	for name, value := range Members(was) {
		if _, left := before[Unquote(name)]; left && !leave && !same(nil, value) {
			patch = AppendMember(patch, name, []byte("null"))
		}
	}
	if len(patch) == 1 {
		return nil
	}
	return append(patch, '}')
}

// same compares two values, nil and null being one.
func same(a, b []byte) bool {
	none := func(v []byte) bool { return len(v) == 0 || string(v) == "null" }
	return none(a) && none(b) || bytes.Equal(a, b)
}
