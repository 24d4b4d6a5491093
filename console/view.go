package console

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"time"

	"github.com/dustin/go-humanize"

	"carillon"
	"carillon/apps/simulator"
	"carillon/look"
)

//go:embed templates assets
var files embed.FS

// views renders the embedded templates and serves the embedded assets.
type views struct {
	pages  map[string]*template.Template // page → its templates, the layout among them
	assets *look.Assets
}

// page is what the layout shows: a title, who is signed in (nil: nobody), and the content of the page's own template.
type page struct {
	Title     string
	Who       *visitor
	Simulator bool // it loads the simulator's style and script
	Content   any
}

func loadViews() (*views, error) {
	own, err := fs.Sub(files, "assets")
	if err != nil {
		return nil, fmt.Errorf("read the console's assets: %w", err)
	}
	assets, err := look.NewAssets("/console/assets/", own, simulator.Assets())
	if err != nil {
		return nil, err
	}
	v := &views{pages: map[string]*template.Template{}, assets: assets}
	base, err := template.New("layout.html").Funcs(template.FuncMap{
		"asset":  assets.URL,
		"count":  humanize.Comma,
		"bytes":  func(n int64) string { return humanize.IBytes(uint64(max(n, 0))) },
		"stamp":  func(t time.Time) string { return carillon.FormatTime(t) },
		"clock":  func(t time.Time) string { return t.UTC().Format(time.TimeOnly) },
		"span":   span,
		"plural": plural,
		"int64":  func(n int) int64 { return int64(n) },
	}).ParseFS(files, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, fmt.Errorf("parse the console's layout: %w", err)
	}
	for _, name := range []string{"overview", "event", "inbox", "delivery", "apps", "app", "signin", "problem"} {
		own, err := base.Clone()
		if err == nil {
			own, err = own.ParseFS(files, "templates/"+name+".html")
		}
		if err != nil {
			return nil, fmt.Errorf("parse the console's page %s: %w", name, err)
		}
		v.pages[name] = own
	}
	return v, nil
}

// render writes a whole page.
func (v *views) render(w http.ResponseWriter, status int, name string, p page) error {
	var b bytes.Buffer
	if err := v.pages[name].Execute(&b, p); err != nil {
		return fmt.Errorf("render page %s: %w", name, err)
	}
	return send(w, status, &b)
}

// renderPart writes one named template alone.
func (v *views) renderPart(w http.ResponseWriter, part string, data any) error {
	html, err := v.part(part, data)
	if err != nil {
		return err
	}
	return send(w, http.StatusOK, bytes.NewReader(html))
}

// part renders one named template to HTML.
func (v *views) part(name string, data any) ([]byte, error) {
	var b bytes.Buffer
	if err := v.pages["overview"].ExecuteTemplate(&b, name, data); err != nil {
		return nil, fmt.Errorf("render %s: %w", name, err)
	}
	return b.Bytes(), nil
}

// send answers with HTML. A client that has gone away is no error.
func send(w http.ResponseWriter, status int, html io.Reader) error {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.Copy(w, html)
	return nil
}

// span writes a duration in its two greatest units: "3 d 4 h", "12 min", "8 s".
func span(d time.Duration) string {
	d = d.Truncate(time.Second)
	days, hours, minutes := d/(24*time.Hour), d/time.Hour%24, d/time.Minute%60
	switch {
	case days > 0:
		return fmt.Sprintf("%d d %d h", days, hours)
	case hours > 0:
		return fmt.Sprintf("%d h %d min", hours, minutes)
	case minutes > 0:
		return fmt.Sprintf("%d min", minutes)
	default:
		return fmt.Sprintf("%d s", d/time.Second)
	}
}

// plural writes a number with its noun: "1 change", "1,200 changes".
func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return humanize.Comma(n) + " " + many
}
