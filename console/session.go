package console

import (
	"crypto/rand"
	"crypto/sha256"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"carillon"
)

const (
	sessionCookie   = "carillon_session"
	sessionLifetime = 12 * time.Hour
	maxSessions     = 4096
	maxSignInBytes  = 4 << 10
)

// sessions are the signed-in browsers. They live in memory: a restart signs everybody out.
type sessions struct {
	now func() time.Time

	mu sync.Mutex
	// byHash finds a session by the SHA-256 of its id, so that a look-up's timing tells nothing about ids.
	byHash map[[32]byte]session
}

// session keeps the API key itself, so that each request asks the gate anew and a deleted key ends its sessions.
type session struct {
	secret  string
	expires time.Time
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, byHash: map[[32]byte]session{}}
}

// start begins a session and gives its id: 128 random bits as text.
func (s *sessions) start(secret string) string {
	id := rand.Text()
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.byHash) >= maxSessions {
		s.makeRoom(now)
	}
	s.byHash[sha256.Sum256([]byte(id))] = session{secret: secret, expires: now.Add(sessionLifetime)}
	return id
}

// makeRoom forgets what has expired, or else the oldest session. The caller holds mu.
func (s *sessions) makeRoom(now time.Time) {
	var oldest [32]byte
	first := time.Time{}
	for hash, one := range s.byHash {
		if !now.Before(one.expires) {
			delete(s.byHash, hash)
		} else if first.IsZero() || one.expires.Before(first) {
			oldest, first = hash, one.expires
		}
	}
	if len(s.byHash) >= maxSessions {
		delete(s.byHash, oldest)
	}
}

// secret gives the API key of a session, if there is one.
func (s *sessions) secret(id string) (string, bool) {
	hash := sha256.Sum256([]byte(id))
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := s.byHash[hash]
	if ok && !now.Before(one.expires) {
		delete(s.byHash, hash)
		return "", false
	}
	return one.secret, ok
}

func (s *sessions) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byHash, sha256.Sum256([]byte(id)))
}

// visitor finds out who asks. It fails with unauthorized for those who are not signed in.
func (c *console) visitor(r *http.Request) (visitor, error) {
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		if secret, ok := c.sessions.secret(cookie.Value); ok {
			key, err := c.Gate.Authenticate(r.Context(), secret)
			if err == nil || carillon.ErrorCode(err) != carillon.CodeUnauthorized {
				return visitor{Key: key, Session: cookie.Value}, err
			}
			c.sessions.end(cookie.Value)
		}
	}
	if c.Dev && fromThisMachine(r) {
		key, err := c.Gate.Authenticate(r.Context(), DevSecret)
		return visitor{Key: key}, err
	}
	return visitor{}, &carillon.Error{Code: carillon.CodeUnauthorized, Message: "sign in with an API key to see this"}
}

// fromThisMachine reports whether a request comes from this machine and was addressed to it by a name that no other
// site can point here: a page of a stranger whose name resolves to 127.0.0.1 is not let in.
func fromThisMachine(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !from.Addr().Unmap().IsLoopback() {
		return false
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "localhost" {
		return true
	}
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	to, err := netip.ParseAddr(host)
	return err == nil && to.IsLoopback()
}

// signInForm is what the sign-in page shows.
type signInForm struct {
	Refused bool
	Dev     bool
}

func (c *console) showSignIn(w http.ResponseWriter, _ *http.Request) error {
	return c.views.render(w, http.StatusOK, "signin", page{Title: "Sign in", Content: signInForm{Dev: c.Dev}})
}

func (c *console) signIn(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxSignInBytes)
	secret := r.PostFormValue("key") // a body that is no form has no key
	_, err := c.Gate.Authenticate(r.Context(), secret)
	if carillon.ErrorCode(err) == carillon.CodeUnauthorized {
		return c.views.render(w, http.StatusUnauthorized, "signin",
			page{Title: "Sign in", Content: signInForm{Refused: true, Dev: c.Dev}})
	}
	if err != nil {
		return err
	}
	c.endSession(r)
	http.SetCookie(w, cookie(r, c.sessions.start(secret), int(sessionLifetime/time.Second)))
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

func (c *console) signOut(w http.ResponseWriter, r *http.Request) error {
	c.endSession(r)
	http.SetCookie(w, cookie(r, "", -1))
	http.Redirect(w, r, "/console/signin", http.StatusSeeOther)
	return nil
}

func (c *console) endSession(r *http.Request) {
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		c.sessions.end(cookie.Value)
	}
}

// cookie carries the session's id. It is Secure when the browser speaks https, to us or to a proxy before us.
func cookie(r *http.Request, id string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: sessionCookie, Value: id, Path: "/", MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	}
}
