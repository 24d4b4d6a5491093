package neon

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
	_ "time/tzdata" // so that a time zone means the same on a machine without zone files

	"carillon"
	"carillon/dialect"
)

// settings are a subscription's.
type settings struct {
	// OrganizationID is the id of the Neon instance that the messages name. Default: the org.
	OrganizationID string `json:"organizationId"`
	// CustomParameters are sent with every message; Neon means them for credentials.
	CustomParameters map[string]string `json:"customParameters"`
	// TimeZone is the zone in which times are written, by its IANA name. Default UTC.
	TimeZone string `json:"timeZone"`

	zone       *time.Location
	parameters []byte // CustomParameters as JSON
}

// Bounds of custom parameters.
const (
	maxParameters      = 50
	maxParameterLength = 1024
)

// CheckSettings reads {organizationId, customParameters: {name: value}, timeZone}, all of them optional.
func (d *Dialect) CheckSettings(text json.RawMessage) (dialect.Settings, error) {
	var s settings
	if err := dialect.ReadSettings(text, &s); err != nil {
		return nil, err
	}
	const parameters = "/settings/customParameters"
	if len(s.CustomParameters) > maxParameters {
		return nil, carillon.Invalid(parameters, fmt.Sprintf("must be at most %d", maxParameters))
	}
	s.parameters = []byte{'{'}
	for _, name := range slices.Sorted(maps.Keys(s.CustomParameters)) {
		value := s.CustomParameters[name]
		if name == "" || len(name) > maxParameterLength || len(value) > maxParameterLength {
			return nil, carillon.Invalid(parameters, fmt.Sprintf("must have names of 1 and values of up to %d bytes", maxParameterLength))
		}
		s.parameters = appendName(s.parameters, name)
		s.parameters = dialect.AppendString(s.parameters, value)
	}
	s.parameters = append(s.parameters, '}')
	if s.TimeZone == "Local" { // a zone to Go, but another one on each machine
		s.TimeZone = "?"
	}
	var err error
	if s.zone, err = time.LoadLocation(s.TimeZone); err != nil {
		return nil, carillon.Invalid("/settings/timeZone", "is no time zone")
	}
	return &s, nil
}

// timeLayout is how the vendor writes times: three decimals and an offset.
const timeLayout = "2006-01-02T15:04:05.000-07:00"

func (s *settings) appendTime(b []byte, t time.Time) []byte {
	return t.In(s.zone).AppendFormat(b, timeLayout)
}

// appendName begins a member, with a comma if it is not the first of its object.
func appendName(b []byte, name string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = dialect.AppendString(b, name)
	return append(b, ':')
}
