package api

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"carillon"
	"carillon/dialect"
	"carillon/ledger"
	"carillon/store"
)

// origin is what the log says of changes that came in here.
const (
	originAPI   = "api"
	originBatch = "batch"
	// scope is the room in which idempotency keys are remembered.
	scope = "api"
)

// records serves the routes of one kind. A comment's routes stand below those of the kind it is on.
type records struct {
	*server
	kind carillon.Kind
	on   carillon.Kind // of the record commented on; for KindComment only
}

// place is the part of a records path that is not the record's own id.
type place struct {
	module string       // for KindCustom
	on     carillon.Ref // for KindComment
}

func (s records) place(r *request) (p place, err error) {
	switch s.kind {
	case carillon.KindCustom:
		p.module, err = r.pathID("module", "the module")
	case carillon.KindComment:
		p.on.Kind = s.on
		p.on.ID, err = r.pathID("id", "the "+string(s.on))
	}
	return p, err
}

// ref reads which record the path names.
func (s records) ref(r *request) (carillon.Ref, place, error) {
	p, err := s.place(r)
	if err != nil {
		return carillon.Ref{}, p, err
	}
	name := "id"
	if s.kind == carillon.KindComment {
		name = "commentId"
	}
	id, err := r.pathID(name, "the "+string(s.kind))
	return carillon.Ref{Kind: s.kind, Module: p.module, ID: id}, p, err
}

// path is where a record is found.
func (s records) path(p place, id string) string {
	switch s.kind {
	case carillon.KindCustom:
		return "/v1/custom/" + p.module + "/" + id
	case carillon.KindComment:
		return "/v1/" + p.on.Kind.Plural() + "/" + p.on.ID + "/comments/" + id
	default:
		return "/v1/" + s.kind.Plural() + "/" + id
	}
}

func (s records) create(w http.ResponseWriter, r *request) error {
	p, err := s.place(r)
	if err != nil {
		return err
	}
	body, err := s.jsonBody(w, r, typeJSON)
	if err != nil {
		return err
	}
	return s.write(w, r, p, ledger.Write{
		Op: ledger.Create, Ref: carillon.Ref{Kind: s.kind, Module: p.module}, On: p.on, Data: body,
	})
}

// put replaces a record or creates it; If-None-Match: * asks for the latter only.
func (s records) put(w http.ResponseWriter, r *request) error {
	ref, p, err := s.ref(r)
	if err != nil {
		if e, ok := errors.AsType[*carillon.Error](err); ok { // here an id that is none is the caller's choice
			return invalid("the record cannot be created", e.Faults...)
		}
		return err
	}
	body, err := s.jsonBody(w, r, typeJSON)
	if err != nil {
		return err
	}
	write := ledger.Write{Op: ledger.Put, Ref: ref, On: p.on, Data: body}
	switch r.Header.Get("If-None-Match") {
	case "":
		return s.write(w, r, p, write)
	case "*":
		write.Op = ledger.Create
		err := s.write(w, r, p, write)
		if carillon.ErrorCode(err) == carillon.CodeConflict {
			return &carillon.Error{Code: carillon.CodeStale, Message: ref.String() + " exists already", Err: err}
		}
		return err
	default:
		return carillon.Invalid("If-None-Match", "is not *")
	}
}

func (s records) patch(w http.ResponseWriter, r *request) error {
	ref, p, err := s.ref(r)
	if err != nil {
		return err
	}
	body, err := s.jsonBody(w, r, typeMergePatch, typeJSON)
	if err != nil {
		return err
	}
	return s.write(w, r, p, ledger.Write{Op: ledger.Patch, Ref: ref, On: p.on, Data: body})
}

func (s records) delete(w http.ResponseWriter, r *request) error {
	ref, p, err := s.ref(r)
	if err != nil {
		return err
	}
	cascade, err := r.flag("cascade")
	if err != nil {
		return err
	}
	return s.write(w, r, p, ledger.Write{Op: ledger.Delete, Ref: ref, On: p.on, Cascade: cascade})
}

// write sends one write to the ledger and answers with what became of it.
func (s records) write(w http.ResponseWriter, r *request, p place, write ledger.Write) error {
	actor, err := r.actor()
	if err != nil {
		return err
	}
	key, err := r.idempotencyKey()
	if err != nil {
		return err
	}
	version, err := r.ifMatch()
	if err != nil {
		return err
	}
	entry := ledger.Entry{
		Org: r.org(), Actor: actor, Origin: originAPI, Key: key, Scope: scope, Writes: []ledger.Write{write},
	}
	var result ledger.Result
	if version == anyVersion {
		result, err = s.applyToExisting(r.Context(), entry)
	} else {
		entry.Writes[0].IfMatch = version
		result, err = s.ledger.Apply(r.Context(), entry)
	}
	if err != nil {
		return err
	}
	if len(result.Outcomes) != 1 {
		return fmt.Errorf("apply one write: %d outcomes", len(result.Outcomes))
	}
	return s.answer(w, p, result.Outcomes[0], result.Repeated)
}

// applyToExisting applies an entry of one write under If-Match: *, for which the record must exist, whatever its version.
func (s records) applyToExisting(ctx context.Context, entry ledger.Entry) (ledger.Result, error) {
	ref := entry.Writes[0].Ref
	for {
		record, err := s.store.Record(ctx, entry.Org, ref)
		if carillon.IsNotFound(err) {
			return ledger.Result{}, &carillon.Error{Code: carillon.CodeStale, Message: ref.String() + " does not exist", Err: err}
		}
		if err != nil {
			return ledger.Result{}, fmt.Errorf("read %s: %w", ref, err)
		}
		entry.Writes[0].IfMatch = record.Version
		result, err := s.ledger.Apply(ctx, entry)
		if carillon.ErrorCode(err) == carillon.CodeStale && ctx.Err() == nil {
			continue // another writer came between; the loop ends with the request's time at the latest
		}
		return result, err
	}
}

func (s records) answer(w http.ResponseWriter, p place, o ledger.Outcome, repeated bool) error {
	h := w.Header()
	if o.Seq > 0 {
		h["Carillon-Seq"] = []string{strconv.FormatInt(o.Seq, 10)}
	}
	if repeated {
		h.Set("Idempotency-Replayed", "true")
	}
	if o.Deleted {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	status := http.StatusOK
	if o.Created {
		status = http.StatusCreated
		h.Set("Location", s.path(p, o.Record.ID))
	}
	writeRecord(w, status, o.Record)
	return nil
}

func writeRecord(w http.ResponseWriter, status int, record *carillon.Record) {
	h := w.Header()
	h["Etag"] = []string{etag(record)}
	h["Content-Type"] = []string{typeJSON}
	body := make([]byte, 0, len(record.Data)+len(versionMember)+21)
	body = append(appendRecord(body, record), '\n')
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the caller has gone: nothing to tell it
}

func etag(record *carillon.Record) string {
	return `"` + strconv.FormatInt(record.Version, 10) + `"`
}

const versionMember = `,"version":`

// appendRecord writes the native JSON with the version put in after the id, which comes first (see
// carillon.Record.Data) and has no character that JSON escapes (see carillon.ValidID).
func appendRecord(dst []byte, record *carillon.Record) []byte {
	head := len(`{"id":"`) + len(record.ID) + len(`"`)
	dst = append(dst, record.Data[:head]...)
	dst = append(dst, versionMember...)
	dst = strconv.AppendInt(dst, record.Version, 10)
	return append(dst, record.Data[head:]...)
}

// get answers a record as it stands, or with ?asOf= as it stood.
func (s records) get(w http.ResponseWriter, r *request) error {
	ref, p, err := s.ref(r)
	if err != nil {
		return err
	}
	var record *carillon.Record
	if asOf := r.query.Get("asOf"); asOf != "" {
		record, err = s.history.AsOf(r.Context(), r.org(), ref, asOf)
	} else {
		record, err = s.store.Record(r.Context(), r.org(), ref)
	}
	if err != nil {
		return err
	}
	if s.kind == carillon.KindComment && !isOn(record, p.on) {
		return carillon.NotFound(string(ref.Kind), ref.ID)
	}
	if tags := r.Header.Get("If-None-Match"); tags != "" && matches(tags, etag(record)) {
		w.Header().Set("ETag", etag(record))
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	writeRecord(w, http.StatusOK, record)
	return nil
}

// isOn reports whether a comment is on the record.
func isOn(comment *carillon.Record, on carillon.Ref) bool {
	return dialect.Unquote(dialect.Member(comment.Data, "entityType")) == string(on.Kind) &&
		dialect.Unquote(dialect.Member(comment.Data, "entityId")) == on.ID
}

// matches reports whether an If-None-Match header names the tag; weak tags match (RFC 9110 §13.1.2).
func matches(header, tag string) bool {
	if header == "*" {
		return true
	}
	for part := range strings.SplitSeq(header, ",") {
		if strings.TrimPrefix(strings.TrimSpace(part), "W/") == tag {
			return true
		}
	}
	return false
}

// filterNames are the members that lists can be narrowed by, where the kind's table has them.
var filterNames = []string{
	"name", "status", "type", "health", "classification", "industry", "domain", "email", "accountId", "ownerId",
	"assignedUserId", "authorId", "stage", "pipeline", "priority", "activityType", "visibility", "relationshipType",
	"parentAccountId", "childAccountId", "userType", "customReference", "legacyId",
}

// filters are the names a kind's list can be narrowed by.
func filters(kind carillon.Kind) []string {
	return slices.DeleteFunc(slices.Clone(filterNames), func(name string) bool {
		_, ok := carillon.FieldNumber(kind, name)
		return !ok
	})
}

// referred is the kind that a member points to with a reference that the store keeps; "" for other members.
func referred(kind carillon.Kind, name string) carillon.Kind {
	n, ok := carillon.FieldNumber(kind, name)
	if !ok {
		return ""
	}
	f := carillon.Fields(kind)[n]
	if f.Type != carillon.TypeRef || f.OnDelete == carillon.OnDeleteIgnore {
		return ""
	}
	return f.Ref
}

// list answers records by id.
func (s records) list(w http.ResponseWriter, r *request) error {
	p, err := s.place(r)
	if err != nil {
		return err
	}
	limit, err := r.limit()
	if err != nil {
		return err
	}
	q := store.RecordQuery{Kind: s.kind, Module: p.module, Equal: map[string]string{}}
	if q.After, err = r.cursor(); err != nil {
		return err
	}
	if text := r.query.Get("updatedSince"); text != "" {
		if q.UpdatedSince, err = carillon.ParseTime(text); err != nil {
			return carillon.Invalid("updatedSince", "is not an RFC 3339 time")
		}
	}
	for _, name := range filters(s.kind) {
		value := r.query.Get(name)
		switch target := referred(s.kind, name); {
		case value == "":
		case target != "" && q.RefersTo.Member == "": // one is looked up, others are compared
			q.RefersTo = store.Reference{Member: name, Kind: target, ID: value}
		default:
			q.Equal[name] = value
		}
	}
	if s.kind == carillon.KindComment {
		if _, err := s.store.Record(r.Context(), r.org(), p.on); err != nil {
			return err
		}
		q.RefersTo = store.Reference{Member: "entityId", Kind: p.on.Kind, ID: p.on.ID}
	}
	found, next, err := s.page(r, q, limit)
	if err != nil {
		return fmt.Errorf("list %s: %w", s.kind.Plural(), err)
	}
	writeRecords(w, found, next)
	return nil
}

// Bounds of what one list holds in memory: records read at a time, and bytes after which it ends early.
const (
	listStep  = 64
	listBytes = 8 << 20
)

// page reads up to limit records, fewer if they are large, and the cursor of the next page if there is one.
func (s records) page(r *request, q store.RecordQuery, limit int) (found []*carillon.Record, next string, err error) {
	size := 0
	for size < listBytes {
		q.Limit = min(listStep, limit+1-len(found))
		part, err := s.store.Records(r.Context(), r.org(), q)
		if err != nil {
			return nil, "", err
		}
		found = append(found, part...)
		if len(found) > limit {
			return found[:limit], cursorOf(found[limit-1].ID), nil
		}
		if len(part) < q.Limit {
			return found, "", nil
		}
		for _, record := range part {
			size += len(record.Data)
		}
		q.After = part[len(part)-1].ID
	}
	return found, cursorOf(q.After), nil
}

// writeRecords answers a page.
func writeRecords(w http.ResponseWriter, found []*carillon.Record, next string) {
	size := len(`{"items":[],"next":""}`) + len(next) + 1
	for _, record := range found {
		size += len(record.Data) + len(versionMember) + 21
	}
	body := append(make([]byte, 0, size), `{"items":[`...)
	for i, record := range found {
		if i > 0 {
			body = append(body, ',')
		}
		body = appendRecord(body, record)
	}
	writeRaw(w, appendNext(append(body, ']'), next))
}

// appendNext ends a list.
func appendNext(body []byte, next string) []byte {
	body = append(body, `,"next":`...)
	if next == "" {
		return append(body, "null}\n"...)
	}
	body = append(body, '"')
	body = append(body, next...)
	return append(body, "\"}\n"...)
}

func writeRaw(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", typeJSON)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // the caller has gone: nothing to tell it
}

// cursorOf makes an opaque cursor of the last id seen.
func cursorOf(id string) string { return base64.RawURLEncoding.EncodeToString([]byte(id)) }

// cursor reads ?after=, which must be what a list gave as next.
func (r *request) cursor() (string, error) {
	text := r.query.Get("after")
	if text == "" {
		return "", nil
	}
	id, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || !carillon.ValidID(string(id)) {
		return "", errCursor()
	}
	return string(id), nil
}

func errCursor() *carillon.Error {
	return carillon.Invalid("after", "is not a cursor that a list gave as next")
}
