package broker

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"carillon"
)

// The headers of every message.
const (
	HeaderID    = "carillon-id"
	HeaderEvent = "carillon-event"
	HeaderLane  = "carillon-lane"
	HeaderSeq   = "carillon-seq"
	// HeaderContentType is for brokers that have no property for it.
	HeaderContentType = "content-type"
)

// webhookOnly begins the names of attributes that are for webhooks only (carillon.Attribute).
const webhookOnly = "header:"

// Headers are a message's headers: ours, then the dialect's attributes. Control characters in values become spaces. It
// fails, for ever, if an attribute has a name that is not one or is ours or the broker's.
func Headers(m *carillon.Message) ([]carillon.Attribute, error) {
	list := make([]carillon.Attribute, 0, 4+len(m.Attributes))
	list = append(list,
		carillon.Attribute{Name: HeaderID, Value: plain(m.ID)},
		carillon.Attribute{Name: HeaderEvent, Value: plain(m.Type)},
		carillon.Attribute{Name: HeaderLane, Value: plain(m.Lane)},
		carillon.Attribute{Name: HeaderSeq, Value: strconv.FormatInt(m.Seq, 10)},
	)
	for _, a := range m.Attributes {
		if strings.HasPrefix(a.Name, webhookOnly) {
			continue
		}
		if !httpguts.ValidHeaderFieldName(a.Name) || reserved(a.Name) {
			return nil, &Failure{Text: fmt.Sprintf("message %s wants an attribute %q, which cannot be a header", m.ID, a.Name), Never: true}
		}
		list = append(list, carillon.Attribute{Name: a.Name, Value: plain(a.Value)})
	}
	return list, nil
}

// reserved names are ours, or steer a broker.
func reserved(name string) bool {
	lower := strings.ToLower(name)
	switch lower {
	case HeaderContentType, "cc", "bcc":
		return true
	}
	return strings.HasPrefix(lower, "carillon-") || strings.HasPrefix(lower, "nats-") || strings.HasPrefix(lower, "x-")
}

func plain(value string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, value)
}
