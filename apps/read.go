package apps

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"carillon"
)

// Bounds of an app.
const (
	MaxSize     = 20 << 20 // bytes of all files, unpacked; and of a zip
	MaxFiles    = 2000
	MaxFileSize = 5 << 20

	maxName    = 255 // bytes of a path
	maxEntries = 10 * MaxFiles
)

// Paths in an app.
const (
	manifestFile    = "manifest.json"
	serverFile      = "server/server.js"
	serverFolder    = "server/"
	testData        = "server/test_data/"
	iparamsFile     = "config/iparams.json"
	iparamsPage     = "config/iparams.html"
	iparamsScript   = "config/assets/iparams.js"
	iparamsTestData = "config/iparam_test_data.json"
	requestsFile    = "config/requests.json"
	oauthFile       = "config/oauth_config.json"
)

// Read reads an app from a directory. The findings are those of the files one by one; Validate has all. Links are not followed,
// and what does not belong to an app (node_modules, coverage, log, dist, names that begin with a dot) is not looked at.
func Read(fsys fs.FS) (*App, []Finding) {
	a := &App{files: map[string][]byte{}}
	l := loader{into: &a.findings, files: a.files}
	l.walk(fsys)
	a.names = l.sorted()
	a.parse()
	return a, a.findings.sorted()
}

// ReadZip reads an app from a zip of its directory. The zip may have one folder around everything. It fails with
// carillon.CodeTooLarge or carillon.CodeMalformed if it is no zip that can be read; whatever else is wrong is a finding, as in Read.
func ReadZip(r io.ReaderAt, size int64) (*App, []Finding, error) {
	archive, err := openZip(r, size)
	if err != nil {
		return nil, nil, err
	}
	a := &App{files: map[string][]byte{}}
	l := loader{into: &a.findings, files: a.files}
	l.unzip(archive)
	a.names = l.sorted()
	a.parse()
	return a, a.findings.sorted(), nil
}

// openZip reads a zip's directory, having looked beforehand how long it is: archive/zip reads as many entries as follow
// one another, whatever number the end of the zip gives.
func openZip(r io.ReaderAt, size int64) (*zip.Reader, error) {
	if size > MaxSize {
		return nil, &carillon.Error{Code: carillon.CodeTooLarge, Message: fmt.Sprintf("the zip is larger than %d MB", MaxSize>>20)}
	}
	malformed := func(err error) error {
		return &carillon.Error{
			Code: carillon.CodeMalformed, Message: "the file is not a zip",
			Hint: "carillon app pack DIR makes one", Err: err,
		}
	}
	content, err := io.ReadAll(io.NewSectionReader(r, 0, size))
	if err != nil {
		return nil, malformed(err)
	}
	if bytes.Count(content, []byte("PK\x01\x02")) > maxEntries {
		return nil, &carillon.Error{Code: carillon.CodeTooLarge, Message: fmt.Sprintf("the zip has more than %d files", MaxFiles)}
	}
	archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, malformed(err)
	}
	return archive, nil
}

// belongs reports whether a path is of the app, or of the tools that people make it with.
func belongs(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	switch first {
	case "coverage", "log", "dist", "__MACOSX":
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "node_modules" || len(part) > 1 && part[0] == '.' && part != ".." {
			return false
		}
	}
	return true
}

// reads reports whether the house looks into a file. Of others it is enough to know that they are there.
func reads(name string) bool {
	switch name {
	case manifestFile, iparamsFile, iparamsTestData, requestsFile:
		return true
	}
	return strings.HasPrefix(name, serverFolder) && (strings.HasSuffix(name, ".js") || strings.HasSuffix(name, ".json"))
}

// loader takes files in, within bounds.
type loader struct {
	into  *findings
	files map[string][]byte // of those that the house reads
	sizes map[string]int64  // of all
	total int64
}

func (l *loader) sorted() []string { return slices.Sorted(maps.Keys(l.sizes)) }

// errFull ends the taking in.
var errFull = errors.New("the app is too large")

// walk takes in a directory.
func (l *loader) walk(fsys fs.FS) {
	entries := 0
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			if name == "." {
				name = ""
			}
			l.into.errorAt(inFile(told(name)), "cannot be read: "+cause(err), "")
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if entries++; entries > maxEntries {
			return l.tooMany()
		}
		switch {
		case name == ".":
			return nil
		case !belongs(name) && d.IsDir():
			return fs.SkipDir
		case !belongs(name), d.IsDir():
			return nil
		}
		return l.take(name, d.Type(), func() (io.ReadCloser, error) { return fsys.Open(name) })
	})
	if err != nil && !errors.Is(err, errFull) {
		l.into.errorAt(place{}, "the app cannot be read: "+cause(err), "")
	}
}

// unzip takes in a zip.
func (l *loader) unzip(archive *zip.Reader) {
	around := folderAround(archive.File)
	for _, f := range archive.File {
		name := strings.TrimPrefix(f.Name, around)
		switch {
		case name == "" || strings.HasSuffix(name, "/") || !belongs(name):
			continue
		case f.Flags&1 != 0:
			l.into.errorAt(inFile(told(name)), "is encrypted", "pack without a password")
			continue
		}
		if _, twice := l.sizes[name]; twice {
			l.into.errorAt(inFile(told(name)), "is in the zip twice", "pack again")
			continue
		}
		if l.take(name, f.Mode().Type(), f.Open) != nil {
			return
		}
	}
}

// folderAround gives the one folder, with a slash, that is around everything in a zip; "" if there is none.
func folderAround(files []*zip.File) string {
	around := ""
	for _, f := range files {
		if !belongs(f.Name) {
			continue
		}
		first, _, nested := strings.Cut(f.Name, "/")
		if !nested || first == ".." || around != "" && around != first+"/" {
			return ""
		}
		around = first + "/"
	}
	if !slices.ContainsFunc(files, func(f *zip.File) bool { return f.Name == around+manifestFile }) {
		return ""
	}
	return around
}

// take takes in one file. It fails with errFull if no more can be taken.
func (l *loader) take(name string, kind fs.FileMode, open func() (io.ReadCloser, error)) error {
	at := inFile(told(name))
	switch {
	case kind&fs.ModeSymlink != 0:
		l.into.errorAt(at, "is a link", "put the file itself there")
		return nil
	case kind != 0:
		l.into.errorAt(at, "is not a regular file", "remove it")
		return nil
	case !fs.ValidPath(name) || strings.Contains(name, `\`):
		l.into.errorAt(at, "has a path that leads out of the app, or is not written plainly", "use folder/file with forward slashes")
		return nil
	case len(name) > maxName || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) || !utf8.ValidString(name):
		l.into.errorAt(at, fmt.Sprintf("has a name with characters that do not show, or of more than %d bytes", maxName), "rename it")
		return nil
	}
	if len(l.sizes) == MaxFiles {
		return l.tooMany()
	}

	content, size, err := read(open, reads(name), min(MaxFileSize, MaxSize-l.total))
	switch {
	case err != nil:
		l.into.errorAt(at, "cannot be read: "+cause(err), "")
		return nil
	case size > MaxSize-l.total:
		l.into.errorAt(place{}, fmt.Sprintf("the app is larger than %d MB", MaxSize>>20), "leave out what is not needed at run time")
		return errFull
	case size > MaxFileSize:
		l.into.errorAt(at, fmt.Sprintf("is larger than %d MB", MaxFileSize>>20), "leave it out or split it")
		return nil
	}
	if l.sizes == nil {
		l.sizes = map[string]int64{}
	}
	l.sizes[name] = size
	l.total += size
	if reads(name) {
		l.files[name] = content
	}
	return nil
}

func (l *loader) tooMany() error {
	l.into.errorAt(place{}, fmt.Sprintf("the app has more than %d files", MaxFiles), "leave out what is not needed at run time")
	return errFull
}

// read reads one byte more than the limit at most, and keeps the content only if asked.
func read(open func() (io.ReadCloser, error), keep bool, limit int64) (content []byte, size int64, err error) {
	file, err := open()
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	bounded := io.LimitReader(file, limit+1)
	if !keep {
		size, err = io.Copy(io.Discard, bounded)
		return nil, size, err
	}
	content, err = io.ReadAll(bounded)
	return content, int64(len(content)), err
}

// told is a stranger's file name as it may be shown.
func told(name string) string {
	if len(name) > maxName {
		name = name[:maxName] + "…"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '\ufffd'
		}
		return r
	}, strings.ToValidUTF8(name, "\ufffd"))
}

// cause is an error without the paths of this machine.
func cause(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// parse reads what was taken in.
func (a *App) parse() {
	if content, ok := a.files[manifestFile]; !ok {
		a.findings.errorAt(inFile(manifestFile), "is missing", "an app begins with its manifest")
	} else if d := readDocument(manifestFile, content, &a.findings); d != nil {
		a.readManifest(d.root)
	}
	a.readIParams()
	if content, ok := a.files[requestsFile]; ok {
		if d := readDocument(requestsFile, content, &a.findings); d != nil {
			a.readRequests(d.root)
		}
	}
	a.readTestData()
}
