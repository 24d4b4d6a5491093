package acceptance_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tryBatch writes n updates over some accounts as NDJSON and fails unless every line was done.
func (s *server) tryBatch(n, over int, salt int64) error {
	var lines bytes.Buffer
	for i := range n {
		fmt.Fprintf(&lines, `{"op":"patch","kind":"account","id":%q,"data":{"domain":"b%d-%d.example.com"}}`+"\n", accountID(i%over), salt, i)
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.url+"/v1/batch", &lines)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer dev")
	req.Header.Set("Content-Type", "application/x-ndjson")
	client := *s.http
	client.Timeout = 0
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	done := 0
	for decoder := json.NewDecoder(resp.Body); ; {
		var result struct{ Status int }
		err := decoder.Decode(&result)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if result.Status == http.StatusOK {
			done++
		}
	}
	if done != n {
		return fmt.Errorf("the batch did %d of %d lines (status %d)", done, n, resp.StatusCode)
	}
	return nil
}

// bytesPerChange is what the database grows by, with everything delivered and the server stopped.
func bytesPerChange(t *testing.T, subscriptions int) float64 {
	t.Helper()
	dir := t.TempDir()
	s := serve(t, dir)
	sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(sink.Close)
	for i := range 100 {
		s.must("PUT", "/v1/accounts/"+accountID(i), object{
			"name": "Account", "metadata": object{"text": strings.Repeat("some text about the account; ", 28)},
		}, nil)
	}
	var ids []string
	for i := range subscriptions {
		var made subscription
		s.must("POST", "/v1/subscriptions", object{
			"name": fmt.Sprint(i), "dialect": "platform", "sink": object{"type": "webhook", "url": sink.URL},
			"concurrency": 2, "retry": object{"schedule": patient},
		}, &made)
		ids = append(ids, made.ID)
	}
	// One round first, so that what exists once per subscription is there before the measuring begins.
	const changes = 1200
	round := func(salt int64) int64 {
		if err := s.tryBatch(changes, 100, salt); err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			s.caughtUp(id)
		}
		s.stop()
		size := size(t, dir)
		s = serve(t, dir)
		return size
	}
	before := round(1)
	after := round(2)
	return float64(after-before) / changes
}

func size(t *testing.T, dir string) (n int64) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "carillon.db*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		n += info.Size()
	}
	return n
}

// The payload of a change is stored once, however many are told of it.
func TestDiskPerChangeDoesNotDependOnSubscriptions(t *testing.T) {
	one, hundred := bytesPerChange(t, 1), bytesPerChange(t, 100)
	t.Logf("bytes per change: %.0f with one subscription, %.0f with a hundred (ratio %.3f)", one, hundred, hundred/one)
	if ratio := hundred / one; ratio > 1.05 || ratio < 0.95 {
		t.Errorf("bytes per change differ: %.0f with one subscription, %.0f with a hundred", one, hundred)
	}
}
