package workshop_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"carillon"
	"carillon/apps/workshop"
	"carillon/store"
)

var errCrashed = errors.New("the process is no more")

// dyingStore takes writes until the process has crashed.
type dyingStore struct {
	store.Store
	crashed *atomic.Bool
}

func (s dyingStore) Update(ctx context.Context, fn func(ctx context.Context, tx store.Tx) error) error {
	if s.crashed.Load() {
		return errCrashed
	}
	return s.Store.Update(ctx, fn)
}

// dyingFeeder crashes when it has made two subscriptions.
type dyingFeeder struct {
	workshop.Feeder
	made    *atomic.Int32
	crashed *atomic.Bool
}

func (f dyingFeeder) Create(ctx context.Context, s *carillon.Subscription) error {
	if f.crashed.Load() {
		return errCrashed
	}
	err := f.Feeder.Create(ctx, s)
	f.crashed.Store(f.made.Add(1) == 2)
	return err
}

func (f dyingFeeder) Delete(ctx context.Context, org, id string) error {
	if f.crashed.Load() {
		return errCrashed
	}
	return f.Feeder.Delete(ctx, org, id)
}

// crashed installs an app in a process that crashes meanwhile, brings up the next one and gives what it finds.
func crashed(t *testing.T, files map[string]string, iparams string, asking bool) (*house, *carillon.App) {
	t.Helper()
	var dead atomic.Bool
	dying := true
	h := newHouse(t, func(c *workshop.Config) {
		if !dying {
			return
		}
		c.Feeder = dyingFeeder{c.Feeder, new(atomic.Int32), &dead}
		c.Store = dyingStore{c.Store, &dead}
		c.Observe = func(i *carillon.Invocation) { dead.Store(asking && i.Trigger == carillon.TriggerSetup) }
	})
	_, err := h.shop.Install(t.Context(), org, workshop.Installation{Name: "test", Package: pack(t, files), IParams: []byte(iparams)})
	if !errors.Is(err, errCrashed) {
		t.Fatalf("it did not crash: %v", err)
	}
	dying = false
	h.restart()
	list, err := h.shop.Apps(t.Context(), org)
	if err != nil || len(list) != 1 || list[0].State != carillon.AppDisabled {
		t.Fatalf("found are %+v, %v", list, err)
	}
	return h, list[0]
}

func TestACrashWhileAnAppIsFedDoublesNothing(t *testing.T) {
	h, a := crashed(t, archive(omni), `{"mood":"good"}`, false)
	mine := &carillon.Subscription{
		Org: org, Name: "a person's own", Dialect: "platform", Filter: `false`, Sink: carillon.Sink{Type: carillon.SinkApp, App: a.ID},
	}
	if err := h.engine.Create(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	b, err := h.shop.Upgrade(t.Context(), org, a.ID, workshop.Installation{Package: pack(t, archive(omni)), Name: "renamed"})
	if err != nil || b.State != carillon.AppInstalled || len(b.Subscriptions) != 2 {
		t.Fatalf("upgraded to %+v, %v", b, err)
	}
	if all, err := h.store.Subscriptions(t.Context(), org); err != nil || len(all) != 3 {
		t.Errorf("there are %d subscriptions, %v", len(all), err)
	}
	h.write(account("a1", ""))
	h.awaitSaid(b, "onAppInstall good", "afterAppUpdate good", "account:created ")
}

func TestAnAppThatHasNotAgreedIsNotCalled(t *testing.T) {
	h, a := crashed(t, appOf("platform", map[string]string{
		"onAppInstall": "plan", "onScheduledEvent": "tell", "onExternalEvent": "tell", "account:created": "tell",
	}, `
exports = {
  async plan() { await $schedule.create({ name: "s", schedule_at: "2026-05-04T12:10:00Z" }); renderData(); },
  tell(args) { console.log(args.event || args.eventType); }
};`), "", true)
	mine := &carillon.Subscription{
		Org: org, Name: "a person's own", Dialect: "platform", Events: []string{"account:created"},
		Sink: carillon.Sink{Type: carillon.SinkApp, App: a.ID},
	}
	mine.Retry.Schedule = []time.Duration{5 * time.Millisecond}
	if err := h.engine.Create(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	kept, err := h.store.App(t.Context(), org, a.ID)
	if err != nil {
		t.Fatal(err)
	}
	if w := h.post("/app-hooks/"+a.ID+"/"+kept.ExternalToken, "application/json", `{}`); w.Code != http.StatusNotFound {
		t.Errorf("an external event is answered with %d", w.Code)
	}
	h.pass(time.Hour)
	h.await("the schedule is over", func() bool {
		left, err := h.store.AppSchedules(t.Context(), org, a.ID)
		return err == nil && len(left) == 0
	})
	h.write(account("a1", ""))
	h.await("the event is refused", func() bool {
		attempts, err := h.engine.Attempts(t.Context(), org, mine.ID, 9)
		return err == nil && len(attempts) > 0
	})
	if did := h.did(a); len(did) > 0 {
		t.Errorf("it did %+v", did[0])
	}
	if err := h.shop.Uninstall(t.Context(), org, a.ID, false); err != nil {
		t.Error(err)
	}
}
