package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/swaggest/swgui"
	"github.com/swaggest/swgui/v5emb"

	"carillon"
	"carillon/dialect"
)

// EventType is one event type of a dialect.
type EventType struct {
	Name        string        `json:"name"`
	Kind        carillon.Kind `json:"kind"`
	Description string        `json:"description"`
	Schema      string        `json:"schema" doc:"where the JSON Schema of the message is found"`
}

// defaultDialect is the one that routes speak when none is named.
const defaultDialect = "platform"

// dialectNamed finds a dialect; the member is what an error names.
func (s *server) dialectNamed(name, member string) (dialect.Dialect, error) {
	if name == "" {
		name = defaultDialect
	}
	d, ok := s.dialects[name]
	if !ok {
		return nil, carillon.Invalid(member, "is none of "+strings.Join(sorted(s.dialects), ", "))
	}
	return d, nil
}

func (s *server) listEventTypes(w http.ResponseWriter, r *request) error {
	d, err := s.dialectNamed(r.query.Get("dialect"), "dialect")
	if err != nil {
		return err
	}
	var items []EventType
	for _, t := range d.Types() {
		items = append(items, EventType{
			Name: t.Name, Kind: t.Kind, Description: t.Description,
			Schema: schemaPath(d.Name(), t.Name),
		})
	}
	return writeJSON(w, http.StatusOK, page(items, ""))
}

func (s *server) getSchema(w http.ResponseWriter, r *request) error {
	d, known := s.dialects[r.PathValue("dialect")]
	name, isJSON := strings.CutSuffix(r.PathValue("file"), ".json")
	if known && isJSON {
		for _, t := range d.Types() {
			if t.Name == name {
				w.Header().Set("Content-Type", "application/schema+json")
				w.Header().Set("Cache-Control", "public, max-age=300")
				_, _ = w.Write(t.Schema) // the caller has gone: nothing to tell it
				return nil
			}
		}
	}
	return &carillon.Error{Code: carillon.CodeNotFound, Message: "no event type has this schema", Hint: "see /v1/event-types"}
}

func (s *server) getOpenAPI(w http.ResponseWriter, _ *request) error {
	writeRaw(w, s.openapi)
	return nil
}

// docs is the page that shows the OpenAPI document; all it needs comes from this program.
func (s *server) docs() handler {
	page := v5emb.NewWithConfig(swgui.Config{HideCurl: false})("Carillon API", "/openapi.json", "/docs")
	return func(w http.ResponseWriter, r *request) error {
		// Swagger UI starts itself by a script inside its page.
		w.Header().Set("Content-Security-Policy", "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'")
		if r.PathValue("asset") != "" {
			w.Header().Set("Cache-Control", "public, max-age=3600")
		}
		page.ServeHTTP(w, r.Request)
		return nil
	}
}

// Health says that the program runs.
type Health struct {
	Status  string `json:"status" enum:"ok"`
	Version string `json:"version"`
}

func (s *server) healthz(w http.ResponseWriter, _ *request) error {
	return writeJSON(w, http.StatusOK, Health{Status: "ok", Version: s.version})
}

// readyTimeout bounds how long readiness may be in finding out.
const readyTimeout = 2 * time.Second

func (s *server) readyz(w http.ResponseWriter, r *request) error {
	if s.ready != nil {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if err := s.ready(ctx); err != nil {
			return &carillon.Error{Code: carillon.CodeUnavailable, Message: "not ready to serve requests", Err: fmt.Errorf("check readiness: %w", err)}
		}
	}
	return writeJSON(w, http.StatusOK, Health{Status: "ok", Version: s.version})
}
