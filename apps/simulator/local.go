package simulator

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"carillon"
	"carillon/look"
)

// LocalConfig is what the pages of one app on a laptop need. Desk, Folder, Org, Settings and Logger must be set.
type LocalConfig struct {
	Desk     Desk
	Folder   *Folder // whose app
	Org      string
	Settings *Settings
	Hosts    []string // names beside localhost and the loopback addresses by which the server may be called
	Version  string   // of the program
	Logger   *slog.Logger
	Stopping <-chan struct{} // closed: feeds end; nil means never
}

// Local serves the pages of one app on a laptop.
type Local struct {
	config    LocalConfig
	simulator *Simulator
	layout    *template.Template
	assets    *look.Assets
}

// Where the pages are. The first three are where the vendor's own tool has them.
const (
	testPath     = "/web/test"
	iparamsPath  = "/custom_configs"
	settingsPath = "/system_settings"
	livePath     = "/web/live"
	statePath    = "/web/state"
	assetsPath   = "/web/assets/"
)

// NewLocal makes the handler of the pages. Whoever reaches it may run the app's handlers: it answers only requests that are
// addressed to this machine by a name that no other site can point here.
func NewLocal(c LocalConfig) (http.Handler, error) {
	if c.Folder == nil || c.Org == "" || c.Settings == nil || c.Logger == nil {
		return nil, errors.New("simulator: the config lacks a Folder, Org, Settings or Logger")
	}
	l := &Local{config: c}
	var err error
	if l.simulator, err = New(c.Desk); err != nil {
		return nil, err
	}
	if l.assets, err = look.NewAssets(assetsPath, Assets()); err != nil {
		return nil, err
	}
	l.layout, err = template.New("local").Funcs(template.FuncMap{"asset": l.assets.URL, "stamp": carillon.FormatTime}).
		ParseFS(files, "templates/local/*.html")
	if err != nil {
		return nil, fmt.Errorf("parse the layout: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET "+testPath, l.open(l.test))
	mux.Handle("POST "+testPath, l.open(l.test))
	mux.Handle("GET "+iparamsPath, l.open(l.iparams))
	mux.Handle("POST "+iparamsPath, l.open(l.iparams))
	mux.Handle("GET "+settingsPath, l.open(l.settings))
	mux.Handle("POST "+settingsPath, l.open(l.settings))
	mux.Handle("GET "+livePath, l.open(l.live))
	mux.Handle("GET "+statePath, l.open(l.state))
	mux.Handle("GET "+assetsPath, l.assets)
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) { l.assets.Serve(w, r, "icon.svg") })
	mux.Handle("GET /{$}", http.RedirectHandler(testPath, http.StatusFound))
	mux.Handle("/", l.open(func(_ http.ResponseWriter, r *http.Request) error { return carillon.NotFound("the page", r.URL.Path) }))

	crossOrigin := http.NewCrossOriginProtection()
	crossOrigin.SetDenyHandler(l.open(func(http.ResponseWriter, *http.Request) error {
		return &carillon.Error{Code: carillon.CodeForbidden, Message: "the request came from another site"}
	}))
	return look.Guard(addressed(l.config.Hosts, crossOrigin.Handler(mux))), nil
}

// addressed refuses requests that name another host than this machine: a page of a stranger could otherwise have its name
// point here (DNS rebinding).
func addressed(hosts []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
		switch {
		case strings.EqualFold(host, "localhost"), err == nil && ip.IsLoopback(),
			slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, host) }):
			next.ServeHTTP(w, r)
		default:
			http.Error(w, "This server answers only to names of this machine, such as localhost.", http.StatusMisdirectedRequest)
		}
	})
}

// frame is what the layout shows around a page.
type frame struct {
	Title   string
	App     string
	Path    string
	Version string
	State   State
	Body    template.HTML
}

// open turns a handler that may fail into one that answers with an error page.
func (l *Local) open(serve func(w http.ResponseWriter, r *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := serve(w, r)
		if err == nil || r.Context().Err() != nil {
			return
		}
		p := Page{Status: http.StatusInternalServerError, Title: "Something went wrong"}
		text := "The reason is in the terminal."
		if known, ok := errors.AsType[*carillon.Error](err); ok && known.Code != carillon.CodeInternal {
			text = known.Message
			p.Status, p.Title = http.StatusBadRequest, "That did not work"
			if known.Code == carillon.CodeNotFound {
				p.Status, p.Title = http.StatusNotFound, "Not here"
			}
			if known.Code == carillon.CodeForbidden {
				p.Status, p.Title = http.StatusForbidden, "Refused"
			}
			for _, f := range known.Faults {
				text += "; " + strings.TrimSpace(f.Member+" "+f.Reason)
			}
		} else {
			l.config.Logger.ErrorContext(r.Context(), "request failed", "path", r.URL.Path, "error", err)
		}
		if err := l.part(&p, "problem", text); err == nil {
			err = l.write(w, r, &p)
			if err != nil {
				l.config.Logger.WarnContext(r.Context(), "render the error page", "error", err)
			}
		}
	})
}

// part renders a template of the layout's own as a page's body.
func (l *Local) part(p *Page, name string, content any) error {
	var b bytes.Buffer
	if err := l.layout.ExecuteTemplate(&b, name, content); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	p.Body = template.HTML(b.String()) //nolint:gosec // the template has escaped it
	return nil
}

// write answers with a page in the layout, or with its body alone.
func (l *Local) write(w http.ResponseWriter, r *http.Request, p *Page) error {
	if p == nil {
		return nil // it is answered
	}
	out := []byte(p.Body)
	if !p.Part {
		var b bytes.Buffer
		f := frame{
			Title: p.Title, App: l.config.Folder.config.Name, Path: r.URL.Path, Version: l.config.Version,
			State: l.config.Folder.State(), Body: p.Body,
		}
		if err := l.layout.ExecuteTemplate(&b, "layout", f); err != nil {
			return fmt.Errorf("render the layout: %w", err)
		}
		out = b.Bytes()
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(p.Status)
	_, _ = w.Write(out)
	return nil
}

// place is where the app's pages are; false as long as it is not installed.
func (l *Local) place() (Place, bool) {
	state := l.config.Folder.State()
	at := Place{Org: l.config.Org, App: state.App, Test: testPath, IParams: iparamsPath, Live: livePath, Save: "Install", Version: state.Version}
	return at, state.App != ""
}

func (l *Local) test(w http.ResponseWriter, r *http.Request) error {
	at, installed := l.place()
	if !installed {
		return l.waiting(w, r)
	}
	p, err := l.simulator.Test(w, r, at)
	if err != nil {
		return err
	}
	return l.write(w, r, p)
}

func (l *Local) iparams(w http.ResponseWriter, r *http.Request) error {
	at, installed := l.place()
	if !installed {
		return l.waiting(w, r)
	}
	p, err := l.simulator.IParams(w, r, at)
	if err != nil {
		return err
	}
	return l.write(w, r, p)
}

// waiting is the page of an app that was never without faults: they stand above it.
func (l *Local) waiting(w http.ResponseWriter, r *http.Request) error {
	p := &Page{Status: http.StatusOK, Title: "Not installed"}
	at, _ := l.place()
	if err := l.part(p, "waiting", at); err != nil {
		return err
	}
	return l.write(w, r, p)
}

func (l *Local) live(w http.ResponseWriter, r *http.Request) error {
	changed, stop := l.config.Folder.Watch()
	defer stop()
	at, _ := l.place()
	return l.simulator.Live(w, r, at, News{
		Version: func() int64 { return l.config.Folder.State().Version }, Changed: changed, Stopping: l.config.Stopping,
	})
}

// state answers with what is said of the app's files above all pages.
func (l *Local) state(w http.ResponseWriter, r *http.Request) error {
	p := &Page{Status: http.StatusOK, Part: true}
	if err := l.part(p, "state", l.config.Folder.State()); err != nil {
		return err
	}
	return l.write(w, r, p)
}

// accountForm is the content of the page of the settings.
type accountForm struct {
	Account
	Path    string
	Regions []string
	Faults  map[string]string
	Saved   bool
	Modules []string // what the app registers below
}

func (l *Local) settings(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxParameters)
	f := accountForm{Account: l.config.Settings.Account(), Path: settingsPath, Regions: Regions(), Saved: r.URL.Query().Has("saved")}
	p := &Page{Status: http.StatusOK, Title: "Settings"}
	if r.Method == http.MethodPost {
		f.Account = Account{
			Domain: strings.TrimSpace(r.PostFormValue("domain")), AccountID: strings.TrimSpace(r.PostFormValue("account")),
			Region: r.PostFormValue("region"), URL: strings.TrimSpace(r.PostFormValue("url")),
		}
		if f.Faults = f.check(); len(f.Faults) == 0 {
			l.config.Settings.set(f.Account)
			http.Redirect(w, r, settingsPath+"?saved", http.StatusSeeOther)
			return nil
		}
		p.Status = http.StatusUnprocessableEntity
	}
	if at, installed := l.place(); installed {
		pkg, err := l.config.Desk.Package(r.Context(), at.Org, at.App)
		if err != nil {
			return err
		}
		for _, product := range pkg.Products {
			f.Modules = append(f.Modules, product.Name)
		}
	}
	if err := l.part(p, "settings", f); err != nil {
		return err
	}
	return l.write(w, r, p)
}
