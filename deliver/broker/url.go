package broker

import (
	"net/url"

	"carillon"
	"carillon/egress"
)

// Server is where a broker is, and who we are to it.
type Server struct {
	URL  *url.URL // without user
	User *url.Userinfo
}

const urlMember = "/sink/url"

// ParseServer reads a URL of one of the schemes, which may carry a user and a password. It fails with
// carillon.CodeInvalid naming /sink/url. No error repeats the URL.
func ParseServer(gate *egress.Gate, text string, schemes ...string) (Server, error) {
	bare, user, found := egress.CutUser(text)
	var server Server
	if found {
		u, err := url.Parse("x://" + user + "@host")
		if err != nil || u.User == nil {
			return Server{}, carillon.Invalid(urlMember, "has a user name or password with characters that must be percent-encoded")
		}
		server.User = u.User
	}
	u, err := gate.ParseURL(bare, urlMember, schemes...)
	if err != nil {
		return Server{}, err
	}
	if u.RawQuery != "" || u.ForceQuery {
		return Server{}, carillon.Invalid(urlMember, "must not have a query")
	}
	server.URL = u
	return server, nil
}

// Secrets lists what of the user must not be shown: the password, or a user name that stands alone, which is a token.
func (s Server) Secrets() []string {
	if s.User == nil {
		return nil
	}
	if password, ok := s.User.Password(); ok {
		return []string{password, url.QueryEscape(password)}
	}
	return []string{s.User.Username()}
}
