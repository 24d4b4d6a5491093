package apps

import (
	"archive/zip"
	"context"
	"fmt"
	"io"
	"io/fs"
	"time"

	"carillon"
)

// packed is the time of every file in a zip, so that the same app makes the same zip.
var packed = time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC)

// Pack writes the zip of an app: its files, without what does not belong to it, in order. The same files make the same bytes.
// It gives all findings; if one of them is an error it writes nothing and fails as Refusal does.
func Pack(ctx context.Context, fsys fs.FS, w io.Writer, c Checks) ([]Finding, error) {
	app, _ := Read(fsys)
	list, err := Validate(ctx, app, c)
	if err != nil {
		return nil, err
	}
	if err := Refusal(list); err != nil {
		return list, err
	}
	archive := zip.NewWriter(w)
	for _, name := range app.names {
		if err := packFile(archive, fsys, name); err != nil {
			return list, fmt.Errorf("pack %s: %w", name, err)
		}
	}
	if err := archive.Close(); err != nil {
		return list, fmt.Errorf("pack the app: %w", err)
	}
	return list, nil
}

func packFile(archive *zip.Writer, fsys fs.FS, name string) error {
	content, size, err := read(func() (io.ReadCloser, error) { return fsys.Open(name) }, true, MaxFileSize)
	if err != nil {
		return err
	}
	if size > MaxFileSize {
		return &carillon.Error{Code: carillon.CodeTooLarge, Message: "the file has grown meanwhile"}
	}
	header := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: packed}
	header.SetMode(0o644)
	w, err := archive.CreateHeader(header)
	if err != nil {
		return err
	}
	_, err = w.Write(content)
	return err
}
