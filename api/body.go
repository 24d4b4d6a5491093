package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"carillon"
)

// maxDepth bounds how deep the bodies of administrative routes may nest. The ledger has its own bound for records.
const maxDepth = 16

// decode reads the body of an administrative route into a T: strict JSON, then the schema that the document publishes
// for T, so that what is said there is what holds.
func decode[T any](s *server, w http.ResponseWriter, r *request, types ...string) (value T, err error) {
	if len(types) == 0 {
		types = []string{typeJSON}
	}
	body, err := s.jsonBody(w, r, types...)
	if err != nil {
		return value, err
	}
	return decodeBytes[T](s, body)
}

func decodeBytes[T any](s *server, body []byte) (value T, err error) {
	if err := checkJSON(body); err != nil {
		return value, err
	}
	var plain any
	if err := json.Unmarshal(body, &plain); err != nil {
		return value, fmt.Errorf("decode a body that was checked: %w", err)
	}
	if faults := s.schemas.check(of[T](s.schemas), plain); faults != nil {
		return value, invalid("the body is not valid", faults...)
	}
	if err := json.Unmarshal(body, &value, json.RejectUnknownMembers(true)); err != nil {
		return value, errDecode(err)
	}
	return value, nil
}

// errDecode says why a body could not be made a value.
func errDecode(err error) error {
	e, ok := errors.AsType[*json.SemanticError](err)
	if !ok {
		return errSyntax(err)
	}
	reason := "cannot be what it is"
	if errors.Is(err, json.ErrUnknownName) {
		reason = "is not a member"
	}
	return invalid("the body is not valid", carillon.Fault{Member: string(e.JSONPointer), Reason: reason})
}

// checkJSON refuses what is not one JSON value in UTF-8 without repeated names, nested at most maxDepth deep.
func checkJSON(body []byte) error {
	decoder := jsontext.NewDecoder(bytes.NewReader(body))
	for {
		_, err := decoder.ReadToken()
		switch {
		case errors.Is(err, io.EOF) && decoder.StackDepth() == 0:
			return nil
		case err != nil:
			return errSyntax(err)
		case decoder.StackDepth() > maxDepth:
			return &carillon.Error{
				Code: carillon.CodeTooLarge, Message: "the body is nested too deep",
				Faults: []carillon.Fault{{Member: string(decoder.StackPointer()), Reason: fmt.Sprintf("is nested deeper than %d", maxDepth)}},
			}
		case decoder.StackDepth() == 0 && len(bytes.TrimSpace(body[decoder.InputOffset():])) > 0:
			return &carillon.Error{
				Code: carillon.CodeMalformed, Message: "the body is not one JSON value",
				Faults: []carillon.Fault{{Member: "", Reason: fmt.Sprintf("goes on after its end at byte %d", decoder.InputOffset())}},
			}
		}
	}
}

func errSyntax(err error) *carillon.Error {
	fault := carillon.Fault{Reason: "is not JSON"}
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		fault.Member = string(e.JSONPointer)
		fault.Reason = fmt.Sprintf("%s at byte %d", strings.TrimPrefix(fmt.Sprint(e.Err), "jsontext: "), e.ByteOffset)
	}
	return &carillon.Error{Code: carillon.CodeMalformed, Message: "the body is not JSON", Faults: []carillon.Fault{fault}, Err: err}
}

// check validates a decoded body against a schema and says in our words what is wrong, ordered by member.
func (s *schemas) check(schema *huma.Schema, value any) []carillon.Fault {
	result := &huma.ValidateResult{}
	huma.Validate(s.registry, schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, value, result)
	var faults []carillon.Fault
	for _, err := range result.Errors {
		detail, ok := errors.AsType[*huma.ErrorDetail](err)
		if !ok {
			faults = append(faults, carillon.Fault{Reason: err.Error()})
			continue
		}
		member, reason := pointer(detail.Location), detail.Message
		switch {
		case missing.MatchString(reason):
			member += "/" + missing.FindStringSubmatch(reason)[1]
			reason = "is missing"
		case reason == "unexpected property":
			reason = "is not a member"
		default:
			reason = "should be otherwise: " + reason
		}
		faults = append(faults, carillon.Fault{Member: member, Reason: reason})
	}
	slices.SortStableFunc(faults, func(a, b carillon.Fault) int { return strings.Compare(a.Member, b.Member) })
	return faults
}

var missing = regexp.MustCompile(`^expected required property (\S+) to be present$`)

// pointer turns huma's a.b[0] into the JSON Pointer /a/b/0.
func pointer(location string) string {
	if location == "" {
		return ""
	}
	return "/" + strings.NewReplacer(".", "/", "[", "/", "]", "").Replace(location)
}

// unmask puts the secret that was kept in the place of the mask that stands for it.
func unmask(member string, secret *string, kept string) []carillon.Fault {
	switch {
	case *secret != mask:
	case kept == "":
		return []carillon.Fault{{Member: member, Reason: "is the mask that stands for a secret"}}
	default:
		*secret = kept
	}
	return nil
}

// settingsOf reads what a dialect needs: an object, or null for nothing.
func settingsOf(in []byte) ([]byte, []carillon.Fault) {
	switch {
	case len(in) == 0 || string(in) == "null":
		return nil, nil
	case in[0] != '{':
		return nil, []carillon.Fault{{Member: "/settings", Reason: "is not an object"}}
	default:
		return in, nil
	}
}

// writeJSON answers a value. Times are written as everywhere in the house.
func writeJSON(w http.ResponseWriter, status int, value any) error {
	body, err := json.Marshal(value, times)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", typeJSON)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the caller has gone: nothing to tell it
	return nil
}

var times = json.WithMarshalers(json.MarshalToFunc(func(e *jsontext.Encoder, t time.Time) error {
	return e.WriteToken(jsontext.String(carillon.FormatTime(t)))
}))

// list is a page.
type list[T any] struct {
	Items []T     `json:"items" nullable:"false"`
	Next  *string `json:"next" doc:"the cursor of the next page, or null at the end"`
}

// page is a list whose next page begins after cursor; "" means it is the last.
func page[T any](items []T, cursor string) list[T] {
	l := list[T]{Items: items}
	if l.Items == nil {
		l.Items = []T{}
	}
	if cursor != "" {
		l.Next = &cursor
	}
	return l
}
