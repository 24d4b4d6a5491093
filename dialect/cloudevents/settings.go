package cloudevents

import (
	"encoding/json"
	"net/url"
	"strings"

	"carillon"
	"carillon/dialect"
)

// maxURILength bounds what every message repeats.
const maxURILength = 1024

// settings are what a subscription chose.
type settings struct {
	binary     bool
	source     string // "": by the org
	schemaBase string // without a slash at its end; "": no dataschema
}

// CheckSettings reads {"mode", "source", "schemaBase"}, all optional: mode is "structured" (default) or "binary"; source is
// a URI reference (default /carillon/orgs/ORG); schemaBase is the http(s) URL at which this server's /schemas is found,
// without which events carry no dataschema, since that must be an absolute URI. It fails with carillon.CodeInvalid.
func (d *Dialect) CheckSettings(text json.RawMessage) (dialect.Settings, error) {
	var given struct {
		Mode       string `json:"mode"`
		Source     string `json:"source"`
		SchemaBase string `json:"schemaBase"`
	}
	if err := dialect.ReadSettings(text, &given); err != nil {
		return nil, err
	}
	var faults []carillon.Fault
	if given.Mode != "" && given.Mode != "structured" && given.Mode != "binary" {
		faults = append(faults, carillon.Fault{Member: "/settings/mode", Reason: "must be structured or binary"})
	}
	if given.Source != "" && !isURI(given.Source) {
		faults = append(faults, carillon.Fault{Member: "/settings/source", Reason: "must be a URI reference of at most 1024 characters"})
	}
	if given.SchemaBase != "" && !isBase(given.SchemaBase) {
		faults = append(faults, carillon.Fault{
			Member: "/settings/schemaBase", Reason: "must be an absolute http or https URL of at most 1024 characters, without user, query and fragment",
		})
	}
	if len(faults) > 0 {
		return nil, &carillon.Error{Code: carillon.CodeInvalid, Message: "the settings are not valid", Faults: faults}
	}
	return &settings{binary: given.Mode == "binary", source: given.Source, schemaBase: strings.TrimRight(given.SchemaBase, "/")}, nil
}

// isURI reports whether s is a URI reference (RFC 3986, 4.1).
func isURI(s string) bool {
	_, err := url.Parse(s)
	return err == nil && len(s) <= maxURILength && !strings.ContainsFunc(s, notOfURIs)
}

// notOfURIs are the characters that RFC 3986 has no place for.
func notOfURIs(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"<>\\^`{|}", r) }

func isBase(s string) bool {
	u, err := url.Parse(s)
	return err == nil && isURI(s) && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" &&
		u.User == nil && !strings.ContainsAny(s, "?#")
}

var defaults settings

// settingsOf gives what CheckSettings made; the defaults for nil.
func settingsOf(s dialect.Settings) *settings {
	if of, ok := s.(*settings); ok {
		return of
	}
	return &defaults
}
