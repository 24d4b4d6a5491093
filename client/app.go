package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"carillon"
)

// App is an installation of an app.
type App struct {
	ID              string            `json:"id"`
	Name            string            `json:"name"`
	Version         int64             `json:"version"` // counts the packages: 1 as installed, one more with each upgrade
	PlatformVersion string            `json:"platformVersion"`
	State           carillon.AppState `json:"state"`
	Error           string            `json:"error"`         // why it is disabled
	IParams         json.RawMessage   `json:"iparams"`       // values of its parameters; secure ones are told as "********"
	Subscriptions   []string          `json:"subscriptions"` // those that feed it
	InstalledAt     time.Time         `json:"installedAt"`
	UpdatedAt       time.Time         `json:"updatedAt"`
}

// AppPackage is an app as it is sent.
type AppPackage struct {
	Name    string          // what to call it; "" is "app", or as before
	Package []byte          // the zip
	IParams json.RawMessage // values of the parameters, a JSON object; nil sets none
}

// Invocation is one run of a handler, and what it said.
type Invocation struct {
	ID         string               `json:"id"`
	App        string               `json:"app"`
	Position   int64                `json:"position"` // invocations are kept in the order of their positions
	At         time.Time            `json:"at"`
	DurationMS float64              `json:"durationMs"`
	Trigger    carillon.Trigger     `json:"trigger"`
	Product    string               `json:"product,omitzero"` // or module
	Event      string               `json:"event"`
	Handler    string               `json:"handler,omitzero"`
	EventID    string               `json:"eventId,omitzero"` // if a change triggered it
	Outcome    string               `json:"outcome"`          // success or failed
	Failure    *carillon.AppFailure `json:"failure,omitzero"`
	Lines      []carillon.AppLine   `json:"lines"` // what the handler told the console
	Rendered   json.RawMessage      `json:"rendered,omitzero"`
}

// Simulation is an event that somebody made up.
type Simulation struct {
	Product string          `json:"product,omitzero"` // or module; "" if only one of the app's has the event
	Event   string          `json:"event"`
	Payload json.RawMessage `json:"payload,omitzero"` // nil: the app's own of server/test_data, or the server's
}

// AppLogOptions select invocations. Zero members select all.
type AppLogOptions struct {
	Failed bool
}

const appsPath = "/v1/apps"

func appPath(id string, act ...string) string {
	path := appsPath + "/" + url.PathEscape(id)
	for _, a := range act {
		path += "/" + a
	}
	return path
}

// InstallApp installs an app. Fails with invalid, naming every fault, and with conflict if its onAppInstall refuses.
func (c *Client) InstallApp(ctx context.Context, p AppPackage) (*App, error) {
	return c.sendApp(ctx, http.MethodPost, appsPath, p)
}

// UpgradeApp puts another package in place of the one that is installed, or with a nil Package only sets the parameters. Fails as
// InstallApp; then everything is as it was.
func (c *Client) UpgradeApp(ctx context.Context, id string, p AppPackage) (*App, error) {
	return c.sendApp(ctx, http.MethodPut, appPath(id), p)
}

// sendApp posts the form of an app.
func (c *Client) sendApp(ctx context.Context, method, path string, p AppPackage) (*App, error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, field := range []struct {
		name    string
		content []byte
	}{{"name", []byte(p.Name)}, {"iparams", p.IParams}, {"package", p.Package}} {
		if len(field.content) == 0 {
			continue
		}
		part, err := form.CreateFormField(field.name)
		if err == nil {
			_, err = part.Write(field.content)
		}
		if err != nil {
			return nil, fmt.Errorf("make the form of an app: %w", err)
		}
	}
	if err := form.Close(); err != nil {
		return nil, fmt.Errorf("make the form of an app: %w", err)
	}
	resp, err := c.send(ctx, method, path, nil, body.Bytes(), form.FormDataContentType())
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	a := new(App)
	if err := json.NewDecoder(resp.Body).Decode(a); err != nil {
		return nil, fmt.Errorf("read the answer of %s %s: %w", method, path, err)
	}
	return a, nil
}

// Apps walks the apps that are installed, by id.
func (c *Client) Apps(ctx context.Context) iter.Seq2[*App, error] {
	return walk[*App](ctx, c, appsPath, url.Values{})
}

// App reads one installation.
func (c *Client) App(ctx context.Context, id string) (*App, error) {
	a := new(App)
	if err := c.call(ctx, http.MethodGet, appPath(id), nil, nil, a); err != nil {
		return nil, err
	}
	return a, nil
}

// UninstallApp removes an app with all that it keeps. Fails with conflict if its onAppUninstall refuses, which is not asked if force
// is set.
func (c *Client) UninstallApp(ctx context.Context, id string, force bool) error {
	query := url.Values{}
	if force {
		query.Set("force", "true")
	}
	return c.call(ctx, http.MethodDelete, appPath(id), query, nil, nil)
}

// SimulateApp runs a handler now. That the handler failed is no error: see Invocation.Failure.
func (c *Client) SimulateApp(ctx context.Context, id string, s Simulation) (*Invocation, error) {
	i := new(Invocation)
	if err := c.call(ctx, http.MethodPost, appPath(id, "simulate"), nil, s, i); err != nil {
		return nil, err
	}
	return i, nil
}

// AppLogs walks what an app's handlers did, newest first.
func (c *Client) AppLogs(ctx context.Context, id string, o AppLogOptions) iter.Seq2[*Invocation, error] {
	return walk[*Invocation](ctx, c, appPath(id, "logs"), o.values())
}

func (o AppLogOptions) values() url.Values {
	query := url.Values{}
	if o.Failed {
		query.Set("failed", "true")
	}
	return query
}

// FollowAppLogs tells what an app's handlers do as they do it, after a position, for as long as ctx lives. When the connection
// breaks it connects again and goes on where it was. It ends silently with ctx, and with an error when the server refuses for
// good (*Problem).
func (c *Client) FollowAppLogs(ctx context.Context, id string, after int64, o AppLogOptions) iter.Seq2[*Invocation, error] {
	return func(yield func(*Invocation, error) bool) {
		for failures := 1; ; failures++ {
			enough, err := c.followAppLogs(ctx, id, after, o, func(i *Invocation) bool {
				failures, after = 0, i.Position
				return yield(i, nil)
			})
			switch {
			case enough || ctx.Err() != nil:
				return
			case !mayPass(err):
				yield(nil, err)
				return
			}
			select {
			case <-time.After(c.Backoff(max(failures, 1))):
			case <-ctx.Done():
				return
			}
		}
	}
}

// followAppLogs reads one connection's invocations until it breaks (err) or the caller has enough.
func (c *Client) followAppLogs(ctx context.Context, id string, after int64, o AppLogOptions, yield func(*Invocation) bool) (enough bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	query := o.values()
	query.Set("follow", "true")
	query.Set("after", strconv.FormatInt(after, 10))
	resp, err := c.send(ctx, http.MethodGet, appPath(id, "logs"), query, nil, "", func(h http.Header) { h.Set("Accept", "text/event-stream") })
	if err != nil {
		return false, err
	}
	defer func() { _ = resp.Body.Close() }()
	lines := eventReader{r: bufio.NewReaderSize(resp.Body, 64<<10)}
	for {
		told, err := lines.next()
		if err != nil {
			return false, fmt.Errorf("read the stream: %w", err)
		}
		if told.data == nil {
			continue
		}
		i := new(Invocation)
		if err := json.Unmarshal(told.data, i); err != nil {
			return false, fmt.Errorf("read the stream: %w", err)
		}
		if !yield(i) {
			return true, nil
		}
	}
}
