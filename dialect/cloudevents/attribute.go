package cloudevents

import (
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"carillon"
	"carillon/dialect"
)

// The context attributes in the order in which events carry them. datacontenttype is not among them: it stands in the
// body of a structured event and is the content type of a binary one.
const (
	attributeSpecVersion = iota
	attributeID
	attributeSource
	attributeType
	attributeSubject
	attributeTime
	attributeDataSchema
	attributeSequence
	attributePartitionKey
	attributeActorID
	attributeCount
)

// names are an attribute's spellings. No more than ten: that is what SNS hands on to a queue with raw delivery.
var names = [attributeCount]struct{ json, header, topic string }{
	attributeSpecVersion:  spell("specversion"),
	attributeID:           spell("id"),
	attributeSource:       spell("source"),
	attributeType:         spell("type"),
	attributeSubject:      spell("subject"),
	attributeTime:         spell("time"),
	attributeDataSchema:   spell("dataschema"),
	attributeSequence:     spell("sequence"),     // extension "Sequence"
	attributePartitionKey: spell("partitionkey"), // extension "Partitioning"
	attributeActorID:      spell("actorid"),      // ours
}

// spell gives an attribute's name as a JSON member, as a webhook's header (HTTP binding, 3.1.3.1), and as an attribute
// on a topic (Kafka binding, 3.2.4).
func spell(name string) struct{ json, header, topic string } {
	return struct{ json, header, topic string }{`"` + name + `":`, "header:ce-" + name, "ce_" + name}
}

// attributes are the values of an event's context attributes, in their canonical strings; "" where there is none.
type attributes [attributeCount]string

// sequenceDigits is the length of the greatest seq: padded with zeros, text sorts as the number, which the extension
// wants. It counts beyond what its sequencetype "Integer" allows (32 bits), so that attribute is left out.
const sequenceDigits = 19

// attributes gives an event its context.
func (s *settings) attributes(ev carillon.Event) attributes {
	c := ev.Change
	seq := strconv.FormatInt(max(c.Seq, 0), 10)
	context := attributes{
		attributeSpecVersion:  "1.0",
		attributeID:           dialect.EventID(c, ev.Index),
		attributeSource:       s.source,
		attributeType:         clean(ev.Type),
		attributeSubject:      clean(subject(c.Ref)),
		attributeTime:         carillon.FormatTime(c.Time),
		attributeSequence:     "0000000000000000000"[len(seq):] + seq,
		attributePartitionKey: clean(c.Lane),
		attributeActorID:      clean(c.Actor.ID),
	}
	if s.source == "" {
		context[attributeSource] = "/carillon/orgs/" + url.PathEscape(c.Org)
	}
	if s.schemaBase != "" {
		context[attributeDataSchema] = s.schemaBase + "/schemas/platform/" + url.PathEscape(catalogueName(ev)) + ".json#/properties/payload"
	}
	return context
}

// subject names the record: kind/id, and the module between them for records of custom modules.
func subject(ref carillon.Ref) string {
	if ref.Kind == carillon.KindCustom {
		return string(ref.Kind) + "/" + ref.Module + "/" + ref.ID
	}
	return string(ref.Kind) + "/" + ref.ID
}

// catalogueName is the event type as the catalogue lists it: with a placeholder for a custom module.
func catalogueName(ev carillon.Event) string {
	if ev.Change.Kind == carillon.KindCustom {
		return "custom:{module}" + strings.TrimPrefix(ev.Type, "custom:"+ev.Change.Module)
	}
	return ev.Type
}

// messageAttributes are the attributes beside a binary event's data: each as a webhook's header and on a topic.
func (a *attributes) messageAttributes() []carillon.Attribute {
	list := make([]carillon.Attribute, 0, 2*attributeCount)
	for i, value := range a {
		if value != "" {
			list = append(list,
				carillon.Attribute{Name: names[i].header, Value: headerValue(value)},
				carillon.Attribute{Name: names[i].topic, Value: value})
		}
	}
	return list
}

// headerValue percent-encodes an attribute for a header: space, double quote, percent, and all that is not printable
// ASCII (HTTP binding, 3.1.3.2).
func headerValue(s string) string {
	plain := func(c byte) bool { return '!' <= c && c <= '~' && c != '"' && c != '%' }
	i := 0
	for i < len(s) && plain(s[i]) {
		i++
	}
	if i == len(s) {
		return s
	}
	b := append(make([]byte, 0, len(s)+16), s[:i]...)
	for ; i < len(s); i++ {
		if plain(s[i]) {
			b = append(b, s[i])
			continue
		}
		const digits = "0123456789ABCDEF"
		b = append(b, '%', digits[s[i]>>4], digits[s[i]&15])
	}
	return string(b)
}

// clean replaces what no attribute may contain (spec, "Type System", String): control characters and code points that
// are no characters.
func clean(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, forbidden) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if forbidden(r) {
			return utf8.RuneError
		}
		return r
	}, s)
}

func forbidden(r rune) bool {
	return r < 0x20 || 0x7f <= r && r <= 0x9f || 0xfdd0 <= r && r <= 0xfdef || r&0xfffe == 0xfffe
}
