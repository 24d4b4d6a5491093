package apps

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxPayload bounds what a handler is given, in bytes.
const MaxPayload = 256 << 10

// readTestData checks the payloads below server/test_data.
func (a *App) readTestData() {
	f := &a.findings
	for _, name := range a.names {
		if !strings.HasPrefix(name, testData) {
			continue
		}
		if !strings.HasSuffix(name, ".json") {
			f.warnAt(inFile(name), "is not a payload", "call it EVENT.json")
			continue
		}
		content := a.files[name]
		if len(content) > MaxPayload {
			f.errorAt(inFile(name), fmt.Sprintf("is larger than %d KB, which no payload may be", MaxPayload>>10), "shorten it")
			continue
		}
		if isObject(content) {
			continue
		}
		if d := readDocument(name, content, f); d != nil {
			f.object(d.root)
		}
	}
}

// isObject reports whether a text is a JSON object that is not too deep.
func isObject(text []byte) bool {
	decoder := jsontext.NewDecoder(bytes.NewBuffer(text))
	if decoder.PeekKind() != '{' {
		return false
	}
	for {
		_, err := decoder.ReadToken()
		if err != nil {
			return errors.Is(err, io.EOF)
		}
		if decoder.StackDepth() > maxDepth {
			return false
		}
	}
}

// testDataEvent tells a payload's product (or module; "" if it stands in no folder) and event from its path.
func testDataEvent(name string) (product, event string) {
	name = strings.TrimSuffix(strings.TrimPrefix(name, testData), ".json")
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		product, name = name[:i], name[i+1:]
	}
	return product, name
}

// checkTestData warns of payloads for events that the app does not listen to.
func (a *App) checkTestData(into *findings) {
	if !slices.ContainsFunc(a.Products, func(p Product) bool { return len(p.Events) > 0 }) {
		return // nobody knows yet what it listens to
	}
	registers := func(product, event string) bool {
		return slices.ContainsFunc(a.Products, func(p Product) bool {
			return (product == "" || product == p.Name) && slices.ContainsFunc(p.Events, func(l Listener) bool {
				return l.Event == event || strings.ReplaceAll(l.Event, ":", ".") == event
			})
		})
	}
	for _, name := range a.names {
		if !strings.HasPrefix(name, testData) || !strings.HasSuffix(name, ".json") {
			continue
		}
		if product, event := testDataEvent(name); !registers(product, event) {
			into.warnAt(inFile(name), "is for an event that the app does not listen to", "register the event, or remove the file")
		}
	}
}
