package workshop

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"carillon"
	"carillon/apps"
	"carillon/store"
)

// maxName bounds the name of an installation, in bytes.
const maxName = 200

// What an installation is until all of it is there; a crash leaves it to be seen.
const (
	unfinished = "it was not installed to the end: uninstall it, or upgrade it" // and nothing calls it
	unfed      = "its subscriptions were not all made: upgrade it, or uninstall it"
)

// agreed reports whether the app has agreed to be installed.
func (in *installation) agreed() bool { return in.app.Error != unfinished }

// Install implements Desk.
func (w *Workshop) Install(ctx context.Context, org string, i Installation) (*carillon.App, error) {
	in, err := w.judge(ctx, i.Package)
	if err != nil {
		return nil, err
	}
	in.trial = i.Trial || w.config.Feeder == nil
	given, err := readIParams(i.IParams)
	if err != nil {
		return nil, err
	}
	in.hidden(given, nil)
	if err := in.check(given); err != nil {
		return nil, err
	}
	if err := checkName(i.Name); err != nil {
		return nil, err
	}
	now := w.now()
	a := in.app
	a.ID, a.Org, a.Name, a.Version = carillon.NewID("app"), org, cmp.Or(i.Name, "app"), 1
	a.PlatformVersion, a.Package, a.ExternalToken = in.parsed.PlatformVersion, i.Package, rand.Text()
	a.InstalledAt, a.UpdatedAt = now, now
	a.State, a.Error = carillon.AppDisabled, unfinished
	if err := w.add(ctx, a); err != nil {
		return nil, err
	}
	a.Package = nil
	done, err := w.alone(ctx, a.ID)
	if err != nil {
		return nil, errors.Join(err, w.abandon(context.WithoutCancel(ctx), in))
	}
	defer done()
	w.offer(in)
	in, err = w.settle(ctx, in)
	if err != nil {
		return nil, errors.Join(err, w.abandon(context.WithoutCancel(ctx), in))
	}
	if in.program != nil {
		w.pool.Prewarm(ctx, in.key(), in.program)
	}
	return w.show(ctx, in.app)
}

// add puts a new installation into the archive, if the org may have one more.
func (w *Workshop) add(ctx context.Context, a *carillon.App) error {
	done, err := w.alone(ctx, "org "+a.Org)
	if err != nil {
		return err
	}
	defer done()
	installed, err := w.config.Store.Apps(ctx, a.Org)
	if err != nil {
		return err
	}
	if len(installed) >= w.config.PerOrg {
		return &carillon.Error{
			Code: carillon.CodeConflict, Message: fmt.Sprintf("the org has %d apps installed, and can have no more", len(installed)),
			Hint: "uninstall those that are not used, or upgrade one",
		}
	}
	return w.put(ctx, a)
}

// settle does what makes an installation whole: the app agrees, and is fed. It gives the installation as it is then, also if
// it fails: one that has been offered is shared, and is never changed.
func (w *Workshop) settle(ctx context.Context, in *installation) (*installation, error) {
	if !in.trial {
		if err := w.ask(ctx, in, apps.OnAppInstall); err != nil {
			return in, err
		}
	}
	a, agreed := *in.app, *in
	a.Error = unfed
	if err := w.put(ctx, &a); err != nil {
		return in, err
	}
	agreed.app = &a
	w.offer(&agreed) // events come as soon as there are subscriptions
	return w.finish(ctx, &agreed)
}

// finish makes the subscriptions what the app registers, and notes that all is done. It gives the installation as settle does.
func (w *Workshop) finish(ctx context.Context, in *installation) (*installation, error) {
	ctx = context.WithoutCancel(ctx)
	fed, err := w.feed(ctx, in)
	a := *in.app
	a.Subscriptions = fed
	if err == nil {
		a.State, a.Error = carillon.AppInstalled, ""
	}
	finished := *in
	finished.app = &a
	putErr := w.put(ctx, &a)
	w.offer(&finished)
	return &finished, errors.Join(err, putErr)
}

// abandon removes an installation that did not come about.
func (w *Workshop) abandon(ctx context.Context, in *installation) error {
	var err error
	for _, id := range in.app.Subscriptions {
		err = errors.Join(err, w.config.Feeder.Delete(ctx, in.app.Org, id))
	}
	err = errors.Join(err, w.config.Store.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		return tx.DeleteApp(ctx, in.app.Org, in.app.ID)
	}))
	w.forget(in)
	return err
}

func (w *Workshop) put(ctx context.Context, a *carillon.App) error {
	return w.config.Store.Update(ctx, func(ctx context.Context, tx store.Tx) error { return tx.PutApp(ctx, a) })
}

// judge reads a package, and fails with its findings if it is not valid.
func (w *Workshop) judge(ctx context.Context, pkg []byte) (*installation, error) {
	in, findings, err := w.read(ctx, pkg)
	if err != nil {
		return nil, err
	}
	return in, apps.Refusal(findings)
}

func checkName(name string) error {
	if len(name) > maxName {
		return carillon.Invalid("/name", fmt.Sprintf("must be at most %d bytes", maxName))
	}
	if strings.ContainsFunc(name, unicode.IsControl) {
		return carillon.Invalid("/name", "must not have control characters")
	}
	return nil
}

// Upgrade implements Desk.
func (w *Workshop) Upgrade(ctx context.Context, org, id string, i Installation) (*carillon.App, error) {
	next, err := w.judge(ctx, i.Package)
	if err != nil {
		return nil, err
	}
	if err := checkName(i.Name); err != nil {
		return nil, err
	}
	given, err := readIParams(i.IParams)
	if err != nil {
		return nil, err
	}
	in, done, err := w.take(ctx, org, id)
	if err != nil {
		return nil, err
	}
	defer done()
	next.trial = i.Trial || w.config.Feeder == nil
	next.adopts = in.app.Error == unfinished || in.app.Error == unfed
	next.hidden(given, in.values)
	next.inherit(given, in)
	a := *in.app
	a.Name, a.Version, a.PlatformVersion = cmp.Or(i.Name, a.Name), a.Version+1, next.parsed.PlatformVersion
	a.UpdatedAt = w.now()
	next.app = &a
	if err := next.check(given); err != nil {
		return nil, err
	}
	if !next.trial {
		if err := w.ask(ctx, next, apps.AfterAppUpdate); err != nil {
			return nil, err
		}
	}
	a.Package, a.State, a.Error = i.Package, carillon.AppDisabled, unfed
	if err := w.put(ctx, &a); err != nil {
		return nil, err
	}
	a.Package = nil
	w.offer(next)
	w.pool.Drop(next.key())
	if next, err = w.finish(ctx, next); err != nil {
		return nil, err
	}
	w.pool.Prewarm(ctx, next.key(), next.program)
	return w.show(ctx, next.app)
}

// inherit adds to given what the package before had of the parameters that the next one has too. A trial's values for trying are not
// inherited: the next package may have others.
func (in *installation) inherit(given map[string]any, before *installation) {
	for name, value := range before.values {
		_, set := given[name]
		has := in.parsed.IParamsPage || slices.ContainsFunc(in.parsed.IParams, func(p apps.IParam) bool { return p.Name == name })
		tried, trying := before.parsed.TestIParams[name]
		if set || !has || in.trial && (value == "" || trying && reflect.DeepEqual(value, tried)) {
			continue
		}
		given[name] = value
	}
}

// take gives an installation that nobody else changes until done.
func (w *Workshop) take(ctx context.Context, org, id string) (in *installation, done func(), err error) {
	if _, err := w.open(ctx, org, id); err != nil {
		return nil, nil, err
	}
	if done, err = w.alone(ctx, id); err != nil {
		return nil, nil, err
	}
	if in, err = w.load(ctx, org, id); err != nil { // it was uninstalled meanwhile, for one
		done()
		return nil, nil, err
	}
	return in, done, nil
}

// SetIParams implements Desk.
func (w *Workshop) SetIParams(ctx context.Context, org, id string, iparams json.RawMessage) (*carillon.App, error) {
	given, err := readIParams(iparams)
	if err != nil {
		return nil, err
	}
	in, done, err := w.take(ctx, org, id)
	if err != nil {
		return nil, err
	}
	defer done()
	next := *in
	a := *in.app
	a.UpdatedAt = w.now()
	next.app, next.trial = &a, w.config.Feeder == nil
	next.hidden(given, in.values)
	if err := next.check(given); err != nil {
		return nil, err
	}
	if err := w.put(ctx, &a); err != nil {
		return nil, err
	}
	w.offer(&next)
	return w.show(ctx, &a)
}

// Uninstall implements Desk.
func (w *Workshop) Uninstall(ctx context.Context, org, id string, force bool) error {
	in, done, err := w.take(ctx, org, id)
	if err != nil {
		return err
	}
	defer done()
	if !force && w.config.Feeder != nil && in.program != nil && in.app.State == carillon.AppInstalled {
		if err := w.ask(ctx, in, apps.OnAppUninstall); err != nil {
			return err
		}
	}
	ctx = context.WithoutCancel(ctx)
	if w.config.Feeder != nil {
		fed, err := w.fedBy(ctx, in.app)
		if err != nil {
			return err
		}
		for _, s := range fed {
			if err := w.config.Feeder.Delete(ctx, org, s.ID); err != nil && !carillon.IsNotFound(err) {
				return err
			}
		}
	}
	err = w.config.Store.Update(ctx, func(ctx context.Context, tx store.Tx) error { return tx.DeleteApp(ctx, org, id) })
	if err != nil {
		return err
	}
	w.forget(in)
	return nil
}

// maxRefusal bounds what an app says when it refuses, in characters. It is the vendor's.
const maxRefusal = 60

// ask has an app's handlers of a set-up event run, one after the other. It fails with conflict if one refuses or fails; one that fails
// does not keep its app from being removed.
func (w *Workshop) ask(ctx context.Context, in *installation, event string) error {
	var asked []string
	for _, p := range in.parsed.Products {
		handler, ok := in.parsed.Handler(p.Name, event)
		if !ok || slices.Contains(asked, handler) {
			continue
		}
		asked = append(asked, handler)
		i, err := w.call(ctx, in, call{
			trigger: carillon.TriggerSetup, product: p.Name, event: event, handler: handler, payload: w.envelope(in, event).json(),
		})
		if err != nil {
			return err
		}
		w.journal.keepNow(ctx, i)
		if i.Failed() {
			if event == apps.OnAppUninstall {
				w.config.Logger.WarnContext(ctx, "remove an app whose handler fails", "app", in.app.ID, "reason", explain(i))
				continue
			}
			return carillon.Conflict(explain(i))
		}
		if message, refused := refusal(i.Rendered); refused {
			conflict := carillon.Conflict("the app refuses: " + message)
			if event == apps.OnAppUninstall {
				conflict.Hint = "do what it asks for, or remove it without asking: carillon app uninstall --force, ?force=true"
			}
			return conflict
		}
	}
	return nil
}

// refusal reads the first argument of renderData: an object with a message, or a text.
func refusal(rendered json.RawMessage) (message string, refused bool) {
	var r struct {
		Error json.RawMessage `json:"error"`
	}
	if len(rendered) == 0 || json.Unmarshal(rendered, &r) != nil || len(r.Error) == 0 || string(r.Error) == "null" {
		return "", false
	}
	var o struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(r.Error, &o) != nil {
		_ = json.Unmarshal(r.Error, &o.Message) // neither: it gives no reason
	}
	text := []rune(cmp.Or(o.Message, "it gives no reason"))
	if len(text) > maxRefusal {
		text = append(text[:maxRefusal-1], '…')
	}
	return string(text), true
}

// App implements Desk.
func (w *Workshop) App(ctx context.Context, org, id string) (*carillon.App, error) {
	in, err := w.open(ctx, org, id)
	if err != nil {
		return nil, err
	}
	return w.show(ctx, in.fares())
}

// fares gives the app with the state that it is in as far as its package goes.
func (in *installation) fares() *carillon.App {
	a := *in.app
	if in.broken != "" {
		a.State, a.Error = carillon.AppDisabled, in.broken
	}
	return &a
}

// Apps implements Desk.
func (w *Workshop) Apps(ctx context.Context, org string) ([]*carillon.App, error) {
	list, err := w.config.Store.Apps(ctx, org)
	if err != nil {
		return nil, err
	}
	shown := make([]*carillon.App, 0, len(list))
	for _, a := range list {
		in, err := w.open(ctx, org, a.ID)
		if carillon.IsNotFound(err) {
			continue // it was removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		s, err := w.show(ctx, in.fares())
		if err != nil {
			return nil, err
		}
		shown = append(shown, s)
	}
	return shown, nil
}

// show gives an installation as people may see it: without its package and token, with secrets masked, and with what keeps its
// events from coming.
func (w *Workshop) show(ctx context.Context, a *carillon.App) (*carillon.App, error) {
	s := *a
	s.Package, s.ExternalToken = nil, ""
	s.Subscriptions = slices.Clone(a.Subscriptions)
	values, err := readIParams(a.IParams)
	if err != nil {
		return nil, err
	}
	for _, name := range a.Secure {
		if value, set := values[name]; set && value != nil && value != "" {
			values[name] = apps.Masked
		}
	}
	if s.IParams, err = json.Marshal(values); err != nil {
		return nil, fmt.Errorf("show the parameters of app %s: %w", a.ID, err)
	}
	for _, id := range a.Subscriptions {
		sub, err := w.config.Store.Subscription(ctx, a.Org, id)
		switch {
		case carillon.IsNotFound(err):
			s.State, s.Error = carillon.AppDisabled, cmp.Or(s.Error, "subscription "+id+", which fed it, was deleted: upgrade the app")
		case err != nil:
			return nil, err
		case sub.Disabled:
			s.State, s.Error = carillon.AppDisabled, cmp.Or(s.Error, "subscription "+id+" is disabled: "+sub.DisabledReason)
		}
	}
	return &s, nil
}

// Package implements Desk.
func (w *Workshop) Package(ctx context.Context, org, id string) (*apps.App, error) {
	in, err := w.open(ctx, org, id)
	if err != nil {
		return nil, err
	}
	return in.parsed, nil
}

// Invocations implements Desk.
func (w *Workshop) Invocations(ctx context.Context, q store.InvocationQuery) ([]*carillon.Invocation, error) {
	if _, err := w.open(ctx, q.Org, q.App); err != nil {
		return nil, err
	}
	return w.config.Store.Invocations(ctx, q)
}

// Watch implements Desk.
func (w *Workshop) Watch(org, id string) (nudges <-chan struct{}, stop func()) {
	return w.journal.watch(org, id)
}
