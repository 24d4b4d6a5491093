package cloudevents

import (
	"cmp"
	"encoding/base64"
	"mime"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"carillon"
	"carillon/dialect"
	"carillon/dialect/mend"
	"carillon/dialect/platform"
)

// maxIDLength bounds what is made of an event's id and source, in bytes.
const maxIDLength = 255

// CheckReading accepts no settings, and no id prefix: ids are taken as they come. It fails with carillon.CodeInvalid
// naming what is there.
func (d *Dialect) CheckReading(c *carillon.Connection) (dialect.Reading, error) {
	return d.platform.CheckReading(c)
}

// Decode reads CloudEvents 1.x in structured, binary and batched content mode, whose types and data are the platform's;
// other types are Ignored. A body of plain JSON is taken for what it looks like: data, if there are ce-… headers; else
// an event, or a batch of them.
func (d *Dialect) Decode(r dialect.Request, _ dialect.Reading) (dialect.Decoded, error) {
	h := hearing{platform: d.platform}
	if err := h.hear(r); err != nil {
		return dialect.Decoded{}, err
	}
	return h.Decoded, nil
}

// hearing is a request as far as it has been read.
type hearing struct {
	dialect.Decoded
	platform *platform.Dialect
}

func (h *hearing) hear(r dialect.Request) error {
	if isBinary(r) {
		told, err := h.binary(r)
		h.Events = []dialect.Told{told}
		return err
	}
	body, err := h.read(r.Body, "")
	if err != nil {
		return err
	}
	switch body[0] {
	case '{':
		told, err := h.structured(body, "")
		h.Events = []dialect.Told{told}
		return err
	case '[':
		return h.batch(body)
	default:
		return carillon.Invalid("", "must be an event, or a list of them")
	}
}

// read reads JSON as it came. at is where it stands.
func (h *hearing) read(text []byte, at string) ([]byte, error) {
	value, notes, err := mend.Read(text, at)
	h.Mended = append(h.Mended, notes...)
	return value, err
}

// batch reads a batch, which may be empty (JSON Batch Format, 4). An event that cannot be read does not keep the others.
func (h *hearing) batch(body []byte) error {
	for event := range dialect.Elements(body) {
		told, err := h.structured(event, "/"+strconv.Itoa(len(h.Events)))
		if err == nil {
			h.Events = append(h.Events, told)
		} else if err := h.Unread(cmp.Or(told.ID, dialect.DerivedID(Name, string(event))), told.Type, err); err != nil {
			return err
		}
	}
	return nil
}

// isBinary reports whether a request carries data alone, with the attributes in headers (HTTP binding, 3).
func isBinary(r dialect.Request) bool {
	media, _, err := mime.ParseMediaType(r.ContentType)
	if err == nil && (media == structuredType || media == batchedType) {
		return false
	}
	return r.Header("ce-specversion") != "" || r.Header("ce-type") != ""
}

// context are the attributes that are read, as text, and how to name one in a fault.
type context struct {
	specVersion, id, source, eventType, time, actorID string

	name func(attribute string) string
}

// structured reads an event of the JSON format. at is where it stands.
func (h *hearing) structured(event []byte, at string) (dialect.Told, error) {
	if event[0] != '{' {
		return dialect.Told{}, carillon.Invalid(at, "must be an event")
	}
	c := context{name: func(attribute string) string { return at + "/" + attribute }}
	parts := platform.Parts{PayloadAt: at + "/data"}
	var encoded []byte
	for name, value := range dialect.Members(event) {
		switch string(name) {
		case `"specversion"`:
			c.specVersion = dialect.Unquote(value)
		case `"id"`:
			c.id = dialect.Unquote(value)
		case `"source"`:
			c.source = dialect.Unquote(value)
		case `"type"`:
			c.eventType = dialect.Unquote(value)
		case `"time"`:
			c.time = dialect.Unquote(value)
		case `"actorid"`:
			c.actorID = dialect.Unquote(value)
		case `"data"`:
			parts.Payload = value
		case `"data_base64"`:
			encoded = value
		}
	}
	told, ok, err := h.begin(c)
	if err != nil || !ok {
		return told, err
	}
	var text string // JSON that comes as text
	switch {
	case len(parts.Payload) > 0 && parts.Payload[0] == '"':
		text = dialect.Unquote(parts.Payload)
	case parts.Payload == nil && len(encoded) > 0:
		parts.PayloadAt = at + "/data_base64"
		bytes, err := base64.StdEncoding.DecodeString(dialect.Unquote(encoded))
		if err != nil {
			return told, carillon.Invalid(parts.PayloadAt, "must be base64")
		}
		text = string(bytes)
	}
	if text != "" {
		if parts.Payload, err = h.read([]byte(text), parts.PayloadAt); err != nil {
			return told, err
		}
	}
	return h.finish(told, c, parts)
}

// binary reads an event whose attributes are headers and whose data is the body.
func (h *hearing) binary(r dialect.Request) (dialect.Told, error) {
	header := func(attribute string) string { return attributeValue(r.Header("ce-" + attribute)) }
	c := context{
		specVersion: header("specversion"), id: header("id"), source: header("source"), eventType: header("type"), time: header("time"), actorID: header("actorid"),
		name: func(attribute string) string { return "ce-" + attribute },
	}
	told, ok, err := h.begin(c)
	if err != nil || !ok {
		return told, err
	}
	var parts platform.Parts
	if strings.TrimSpace(string(r.Body)) != "" {
		if parts.Payload, err = h.read(r.Body, ""); err != nil {
			return told, err
		}
	}
	return h.finish(told, c, parts)
}

// begin reads the attributes; false if the event's type is not the platform's, and so its data may be anything.
func (h *hearing) begin(c context) (told dialect.Told, ok bool, err error) {
	for _, attribute := range []struct{ name, value string }{
		{"specversion", c.specVersion}, {"id", c.id}, {"source", c.source}, {"type", c.eventType},
	} {
		if attribute.value == "" {
			return told, false, carillon.Invalid(c.name(attribute.name), "is required: a string that is not empty")
		}
	}
	if c.specVersion != "1" && !strings.HasPrefix(c.specVersion, "1.") {
		return told, false, carillon.Invalid(c.name("specversion"), "must be 1.0")
	}
	id := idOf(c.source, c.id)
	if !h.platform.Knows(c.eventType) {
		told, err = h.platform.Read(platform.Parts{Type: c.eventType})
		told.ID = id
		return told, false, err
	}
	told.ID, told.Type = id, c.eventType
	if c.time != "" {
		if told.At, err = time.Parse(time.RFC3339Nano, c.time); err != nil {
			return told, false, carillon.Invalid(c.name("time"), "must be a time as RFC 3339 has it")
		}
		told.At = told.At.UTC().Truncate(time.Millisecond)
	}
	told.Actor.ID = c.actorID
	return told, true, nil
}

// finish reads the data.
func (h *hearing) finish(begun dialect.Told, c context, parts platform.Parts) (dialect.Told, error) {
	parts.Type, parts.TypeAt = c.eventType, c.name("type")
	told, err := h.platform.Read(parts)
	told.ID, told.At, told.Actor = begun.ID, begun.At, begun.Actor
	return told, err
}

// idOf makes one id of the two attributes that tell one event from all others: "ID@SOURCE" where that can be an id.
func idOf(source, id string) string {
	both := id + "@" + source
	if len(both) > maxIDLength || strings.ContainsFunc(both, unicode.IsControl) {
		return dialect.DerivedID(Name, source, id)
	}
	return both
}

// attributeValue reads an attribute out of its header (HTTP binding, 3.1.3.2): first what a quoted string says, then what
// percent signs encode. What is encoded wrongly stays as it is.
func attributeValue(header string) string {
	if len(header) >= 2 && header[0] == '"' && header[len(header)-1] == '"' {
		header = unquote(header[1 : len(header)-1])
	}
	value, err := url.PathUnescape(header)
	if err != nil {
		value = header
	}
	return strings.ToValidUTF8(value, "\ufffd")
}

// unquote takes away the backslashes of a quoted string (RFC 9110, 5.6.4).
func unquote(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
