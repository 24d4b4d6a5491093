package smarterpay

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"carillon"
	"carillon/dialect"
)

// maxEventSource bounds what every event repeats, in characters.
const maxEventSource = 50

// settings are what a subscription chose.
type settings struct {
	clientID    string // "": made of the org
	eventSource string // "": the vendor's own, or defaultEventSource
	giftAid     bool
}

// CheckSettings reads {"clientId", "eventSource", "giftAid"}, all optional: the id of the SmarterPay client that events name
// (default: one made of the org), where they say that they come from (default "API"), and whether each carries
// gift_aid, as the vendor's have done since November 2024. It fails with carillon.CodeInvalid.
func (Dialect) CheckSettings(text json.RawMessage) (dialect.Settings, error) {
	var given struct {
		ClientID    string `json:"clientId"`
		EventSource string `json:"eventSource"`
		GiftAid     bool   `json:"giftAid"`
	}
	if err := dialect.ReadSettings(text, &given); err != nil {
		return nil, err
	}
	var faults []carillon.Fault
	if given.ClientID != "" && !carillon.ValidID(given.ClientID) {
		faults = append(faults, carillon.Fault{Member: "/settings/clientId", Reason: "must be an id, such as CL and 18 characters"})
	}
	if utf8.RuneCountInString(given.EventSource) > maxEventSource || strings.ContainsFunc(given.EventSource, unicode.IsControl) {
		faults = append(faults, carillon.Fault{
			Member: "/settings/eventSource", Reason: fmt.Sprintf("must be at most %d characters on one line", maxEventSource),
		})
	}
	if len(faults) > 0 {
		return nil, &carillon.Error{Code: carillon.CodeInvalid, Message: "the settings are not valid", Faults: faults}
	}
	return &settings{clientID: given.ClientID, eventSource: given.EventSource, giftAid: given.GiftAid}, nil
}

var defaults settings

// settingsOf gives what CheckSettings made; the defaults for nil.
func settingsOf(s dialect.Settings) *settings {
	if of, ok := s.(*settings); ok {
		return of
	}
	return &defaults
}
