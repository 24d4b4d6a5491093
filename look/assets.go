package look

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed assets
var files embed.FS

// Assets are files that pages load, those of the house's look (look.css, icon.svg) among them. It serves them below the path that
// NewAssets was given.
type Assets struct {
	at     string
	byName map[string]asset
}

// asset is one file. Its URL changes with its content, so that browsers may keep it for ever.
type asset struct {
	url         string
	contentType string
	body        []byte
}

// NewAssets reads the files in the given directories, which must have different names. at is where they are served, with a
// slash at the end: "/console/assets/".
func NewAssets(at string, dirs ...fs.FS) (*Assets, error) {
	a := &Assets{at: at, byName: map[string]asset{}}
	own, err := fs.Sub(files, "assets")
	if err != nil {
		return nil, fmt.Errorf("read the look: %w", err)
	}
	for _, dir := range append([]fs.FS{own}, dirs...) {
		if err := a.read(dir); err != nil {
			return nil, fmt.Errorf("read assets: %w", err)
		}
	}
	return a, nil
}

func (a *Assets) read(dir fs.FS) error {
	return fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if _, taken := a.byName[name]; taken {
			return fmt.Errorf("two files are called %s", name)
		}
		body, err := fs.ReadFile(dir, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		a.byName[name] = asset{
			url:         a.at + name + "?v=" + hex.EncodeToString(sum[:6]),
			contentType: mime.TypeByExtension(path.Ext(name)),
			body:        body,
		}
		return nil
	})
}

// URL is where a file is found; "" if there is none of that name.
func (a *Assets) URL(name string) string { return a.byName[name].url }

// ServeHTTP serves the file that the path names.
func (a *Assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.Serve(w, r, strings.TrimPrefix(r.URL.Path, a.at))
}

// Serve serves one file, whatever the path is.
func (a *Assets) Serve(w http.ResponseWriter, r *http.Request, name string) {
	file, ok := a.byName[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", file.contentType)
	w.Header().Set("Cache-Control", "public, max-age=3600")
	if strings.HasSuffix(file.url, "?"+r.URL.RawQuery) {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(file.body))
}
