package simulator

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"strconv"
	"time"

	"carillon"
)

//go:embed templates assets
var files embed.FS

func assets() fs.FS {
	sub, err := fs.Sub(files, "assets")
	if err != nil {
		return files // only a name that is no path makes Sub fail
	}
	return sub
}

func loadParts() (*template.Template, error) {
	parts, err := template.New("parts").Funcs(template.FuncMap{
		"stamp": carillon.FormatTime,
		"clock": func(t time.Time) string { return t.UTC().Format("15:04:05.000") },
		"took":  took,
	}).ParseFS(files, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("parse the simulator's templates: %w", err)
	}
	return parts, nil
}

func (s *Simulator) render(name string, content any) (template.HTML, error) {
	var b bytes.Buffer
	if err := s.parts.ExecuteTemplate(&b, name, content); err != nil {
		return "", fmt.Errorf("render %s: %w", name, err)
	}
	return template.HTML(b.String()), nil //nolint:gosec // the template has escaped it
}

// took writes how long something lasted with three figures at most: "0.42 ms", "12 ms", "1.5 s".
func took(d time.Duration) string {
	unit, name := time.Millisecond, "ms"
	if d >= time.Second {
		unit, name = time.Second, "s"
	}
	n := float64(d) / float64(unit)
	digits := 2
	if n >= 10 {
		digits = 1
	}
	if n >= 100 {
		digits = 0
	}
	return strconv.FormatFloat(n, 'f', digits, 64) + " " + name
}
