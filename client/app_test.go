package client_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"carillon"
	"carillon/client"
)

// counter is the zip of an app that counts the accounts it is told of, and fails with one of them.
func counter(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, content := range map[string]string{
		"manifest.json": `{"platform-version": "2.3", "product": {"platform": {"events": {
			"onAppInstall": {"handler": "onInstall"}, "account:created": {"handler": "onAccount"}}}}, "engines": {"node": "18.20.8", "fdk": "9.7.4"}}`,
		"config/iparams.json": `{"token": {"display_name": "Token", "type": "text", "secure": true}}`,
		"server/server.js": `exports = {
  onInstall: function (args) { renderData(args.iparams.token === 'no' ? { message: 'not this one' } : undefined); },
  onAccount: function (args) {
    console.warn('told of ' + args.payload.account.name);
    if (args.payload.account.name === 'Boom') throw new Error('it went off');
  }
};`,
	} {
		f, err := w.Create(name)
		if err == nil {
			_, err = f.Write([]byte(content))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAppsFromInstallingToRemoving(t *testing.T) {
	c := open(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	pkg := counter(t)
	_, err := c.InstallApp(ctx, client.AppPackage{Package: pkg, IParams: json.RawMessage(`{"token": "no"}`)})
	if p := client.AsProblem(err); p == nil || p.Code != carillon.CodeConflict || !strings.Contains(err.Error(), "not this one") {
		t.Errorf("an app that refuses: %v", err)
	}
	app, err := c.InstallApp(ctx, client.AppPackage{Name: "counter", Package: pkg, IParams: json.RawMessage(`{"token": "s3cret"}`)})
	if err != nil {
		t.Fatal(err)
	}
	if app.Name != "counter" || app.State != carillon.AppInstalled || len(app.Subscriptions) != 1 || string(app.IParams) != `{"token":"********"}` {
		t.Errorf("installed %+v, parameters %s", app, app.IParams)
	}
	if app, err = c.UpgradeApp(ctx, app.ID, client.AppPackage{Package: pkg}); err != nil || app.Version != 2 {
		t.Errorf("upgraded %+v, %v", app, err)
	}
	if again, err := c.App(ctx, app.ID); err != nil || again.UpdatedAt != app.UpdatedAt {
		t.Errorf("read %+v, %v", again, err)
	}
	n := 0
	for a, err := range c.Apps(ctx) {
		if n++; err != nil || a.ID != app.ID {
			t.Errorf("listed %+v, %v", a, err)
		}
	}
	if n != 1 {
		t.Errorf("listed %d", n)
	}

	i, err := c.SimulateApp(ctx, app.ID, client.Simulation{Event: "account:created", Payload: json.RawMessage(`{"payload": {}}`)})
	if err != nil || i.Outcome != "failed" || i.Failure.Kind != "payload" || len(i.Failure.Faults) == 0 {
		t.Errorf("a wrong payload gives %+v, %v", i, err)
	}
	if _, err := c.SimulateApp(ctx, app.ID, client.Simulation{Event: "account:deleted"}); client.AsProblem(err) == nil {
		t.Errorf("an event that nobody handles: %v", err)
	}
	if _, err := c.Records(carillon.KindAccount).Put(ctx, "acc_1", map[string]any{"name": "Boom"}); err != nil {
		t.Fatal(err)
	}
	for i, err := range c.FollowAppLogs(ctx, app.ID, 0, client.AppLogOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if i.Trigger != carillon.TriggerEvent {
			continue
		}
		if i.EventID == "" || i.Failure == nil || i.Failure.Line == 0 || len(i.Lines) != 1 || i.Lines[0].Level != "warn" {
			t.Errorf("told %+v", i)
		}
		break
	}
	for i, err := range c.AppLogs(ctx, app.ID, client.AppLogOptions{Failed: true}) {
		if err != nil || i.Outcome != "failed" {
			t.Errorf("listed %+v, %v", i, err)
		}
	}
	if err := c.UninstallApp(ctx, app.ID, true); err != nil {
		t.Error(err)
	}
	if _, err := c.App(ctx, app.ID); client.AsProblem(err) == nil || client.AsProblem(err).Code != carillon.CodeNotFound {
		t.Errorf("after it is removed: %v", err)
	}
	for _, err := range c.FollowAppLogs(ctx, app.ID, 0, client.AppLogOptions{}) {
		if client.AsProblem(err) == nil {
			t.Errorf("following what is not there: %v", err)
		}
	}
}
