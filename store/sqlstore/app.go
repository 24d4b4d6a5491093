package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"carillon"
	"carillon/store"
)

// An installation is kept as sealed JSON beside its package, which is no secret and may be large.

func appPlace(org, id string) []byte { return []byte("app\x00" + org + "\x00" + id) }

func appValuePlace(org, app, key string) []byte {
	return []byte("app value\x00" + org + "\x00" + app + "\x00" + key)
}

func appSchedulePlace(org, app, name string) []byte {
	return []byte("app schedule\x00" + org + "\x00" + app + "\x00" + name)
}

func (r *reader) openApp(org, id string, sealed []byte) (*carillon.App, error) {
	plain, err := r.sealer.Open(sealed, appPlace(org, id))
	if err != nil {
		return nil, fmt.Errorf("open app %s: %w", id, err)
	}
	var a carillon.App
	if err := json.Unmarshal(plain, &a); err != nil {
		return nil, fmt.Errorf("decode app %s: %w", id, err)
	}
	if string(a.IParams) == "null" {
		a.IParams = nil
	}
	return &a, nil
}

func (r *reader) scanApp(row row) (*carillon.App, error) {
	var org, id string
	var sealed []byte
	if err := row.Scan(&org, &id, &sealed); err != nil {
		return nil, err
	}
	return r.openApp(org, id, sealed)
}

func (r *reader) scanWholeApp(row row) (*carillon.App, error) {
	var org, id string
	var sealed, zip []byte
	if err := row.Scan(&org, &id, &sealed, &zip); err != nil {
		return nil, err
	}
	a, err := r.openApp(org, id, sealed)
	if err != nil {
		return nil, err
	}
	a.Package = zip
	return a, nil
}

func (r *reader) app(ctx context.Context, q querier, org, id string) (*carillon.App, error) {
	text, args := `SELECT org, id, sealed, package FROM apps WHERE id = $1`, []any{id}
	if org != "" {
		text, args = text+` AND org = $2`, append(args, org)
	}
	a, ok, err := first(ctx, q, r.scanWholeApp, text, args...)
	if err != nil {
		return nil, wrap("read app "+id, err)
	}
	if !ok {
		return nil, carillon.NotFound("app", id)
	}
	return a, nil
}

// App reads one installation, of whichever org if org is "".
func (r *reader) App(ctx context.Context, org, id string) (*carillon.App, error) {
	return r.app(ctx, r.pool, org, id)
}

// Apps lists the installations of one org, or of all orgs, without their packages.
func (r *reader) Apps(ctx context.Context, org string) ([]*carillon.App, error) {
	text, args := `SELECT org, id, sealed FROM apps ORDER BY org, id`, []any(nil)
	if org != "" {
		text, args = `SELECT org, id, sealed FROM apps WHERE org = $1 ORDER BY id`, []any{org}
	}
	installed, err := list(ctx, r.pool, r.scanApp, text, args...)
	return installed, wrap("list apps", err)
}

// App reads one installation inside the transaction.
func (t *tx) App(ctx context.Context, org, id string) (*carillon.App, error) {
	return t.batch.store.app(ctx, t, org, id)
}

// PutApp inserts or replaces an installation.
func (t *tx) PutApp(ctx context.Context, a *carillon.App) error {
	owner, known, err := first(ctx, t, scanOne[string], `SELECT org FROM apps WHERE id = $1`, a.ID)
	if err != nil {
		return wrap("find app "+a.ID, err)
	}
	if known && owner != a.Org {
		return carillon.Conflict("the id " + a.ID + " is taken")
	}
	bare := *a
	bare.Package = nil
	var plain bytes.Buffer
	encoder := json.NewEncoder(&plain)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(&bare); err != nil {
		return fmt.Errorf("encode app %s: %w", a.ID, err)
	}
	sealed, err := t.batch.store.sealer.Seal(plain.Bytes(), appPlace(a.Org, a.ID))
	if err != nil {
		return wrap("put app "+a.ID, err)
	}
	if known && a.Package == nil {
		_, err = t.exec(ctx, `UPDATE apps SET sealed = $3 WHERE org = $1 AND id = $2`, a.Org, a.ID, sealed)
		return wrap("put app "+a.ID, err)
	}
	zip := a.Package
	if zip == nil {
		zip = []byte{}
	}
	_, err = t.exec(ctx, `INSERT INTO apps (org, id, sealed, package) VALUES ($1, $2, $3, $4)
		ON CONFLICT (org, id) DO UPDATE SET sealed = excluded.sealed, package = excluded.package`, a.Org, a.ID, sealed, zip)
	return wrap("put app "+a.ID, err)
}

// DeleteApp removes an installation with all that was kept for it.
func (t *tx) DeleteApp(ctx context.Context, org, id string) error {
	n, err := t.exec(ctx, `DELETE FROM apps WHERE org = $1 AND id = $2`, org, id)
	if err != nil {
		return wrap("delete app "+id, err)
	}
	if n == 0 {
		return carillon.NotFound("app", id)
	}
	for _, text := range []string{
		`DELETE FROM app_invocations WHERE org = $1 AND app = $2`,
		`DELETE FROM app_values WHERE org = $1 AND app = $2`,
		`DELETE FROM app_schedules WHERE org = $1 AND app = $2`,
	} {
		if _, err := t.exec(ctx, text, org, id); err != nil {
			return wrap("delete app "+id, err)
		}
	}
	return nil
}

// hasApp reports whether an installation is there.
func (t *tx) hasApp(ctx context.Context, org, id string) (bool, error) {
	_, ok, err := first(ctx, t, scanOne[int64], `SELECT 1 FROM apps WHERE org = $1 AND id = $2`, org, id)
	return ok, wrap("find app "+id, err)
}

const invocationColumns = `org, app, id, at, duration, trigger_by, product, event, handler, event_id, failure, lines, rendered`

func scanInvocation(r row) (*carillon.Invocation, error) {
	var i carillon.Invocation
	var at int64
	var failure sql.NullString
	var lines, rendered string
	err := r.Scan(&i.Position, &i.Org, &i.App, &i.ID, &at, (*int64)(&i.Duration), (*string)(&i.Trigger), &i.Product, &i.Event, &i.Handler,
		&i.EventID, &failure, &lines, &rendered)
	if err != nil {
		return nil, err
	}
	i.At = fromMillis(at)
	for _, part := range []struct {
		text string
		into any
	}{{failure.String, &i.Failure}, {lines, &i.Lines}, {rendered, &i.Rendered}} {
		if part.text == "" {
			continue
		}
		if err := json.Unmarshal([]byte(part.text), part.into); err != nil {
			return nil, fmt.Errorf("decode invocation %s: %w", i.ID, err)
		}
	}
	return &i, nil
}

// Invocations lists what handlers did, by position.
func (r *reader) Invocations(ctx context.Context, q store.InvocationQuery) ([]*carillon.Invocation, error) {
	text, args := `SELECT position, `+invocationColumns+` FROM app_invocations WHERE org = $1 AND app = $2`, []any{q.Org, q.App}
	if q.Failed {
		text += ` AND failure IS NOT NULL`
	}
	order, beyond := "DESC", "<"
	if q.Ascending {
		order, beyond = "ASC", ">"
	}
	if q.After > 0 {
		args = append(args, q.After)
		text += ` AND position ` + beyond + ` $` + strconv.Itoa(len(args))
	}
	args = append(args, q.Limit)
	text += ` ORDER BY position ` + order + ` LIMIT $` + strconv.Itoa(len(args))
	invocations, err := list(ctx, r.pool, scanInvocation, text, args...)
	return invocations, wrap("list invocations", err)
}

// AddInvocations keeps invocations and sets their positions.
func (t *tx) AddInvocations(ctx context.Context, invocations []*carillon.Invocation) error {
	type app struct{ org, id string }
	added := map[app]bool{}
	for _, i := range invocations {
		of := app{i.Org, i.App}
		if _, asked := added[of]; !asked {
			there, err := t.hasApp(ctx, of.org, of.id)
			if err != nil {
				return err
			}
			added[of] = there
		}
		if !added[of] {
			continue
		}
		if err := t.addInvocation(ctx, i); err != nil {
			return err
		}
	}
	for of, there := range added {
		if !there {
			continue
		}
		_, err := t.exec(ctx, `DELETE FROM app_invocations WHERE org = $1 AND app = $2 AND position <=
			(SELECT position FROM app_invocations WHERE org = $1 AND app = $2 ORDER BY position DESC LIMIT 1 OFFSET $3)`,
			of.org, of.id, store.KeptInvocations)
		if err != nil {
			return wrap("drop old invocations of app "+of.id, err)
		}
	}
	return nil
}

func (t *tx) addInvocation(ctx context.Context, i *carillon.Invocation) error {
	var failure sql.NullString
	lines := ""
	if i.Failure != nil {
		b, err := json.Marshal(i.Failure)
		if err != nil {
			return fmt.Errorf("encode invocation %s: %w", i.ID, err)
		}
		failure = sql.NullString{String: string(b), Valid: true}
	}
	if len(i.Lines) > 0 {
		b, err := json.Marshal(i.Lines)
		if err != nil {
			return fmt.Errorf("encode invocation %s: %w", i.ID, err)
		}
		lines = string(b)
	}
	_, err := t.exec(ctx, `INSERT INTO app_invocations (`+invocationColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		i.Org, i.App, i.ID, toMillis(i.At), int64(i.Duration), string(i.Trigger), i.Product, i.Event, i.Handler, i.EventID, failure, lines,
		string(i.Rendered))
	if err != nil {
		return wrap("keep invocation "+i.ID, err)
	}
	i.Position, _, err = first(ctx, t, scanOne[int64], `SELECT MAX(position) FROM app_invocations WHERE org = $1 AND app = $2`, i.Org, i.App)
	return wrap("keep invocation "+i.ID, err)
}

func (r *reader) scanAppValue(row row) (*carillon.AppValue, error) {
	var v carillon.AppValue
	var expires sql.NullInt64
	var sealed []byte
	if err := row.Scan(&v.Org, &v.App, &v.Key, &expires, &sealed); err != nil {
		return nil, err
	}
	if expires.Valid {
		v.ExpiresAt = fromMillis(expires.Int64)
	}
	plain, err := r.sealer.Open(sealed, appValuePlace(v.Org, v.App, v.Key))
	if err != nil {
		return nil, fmt.Errorf("open a value of app %s: %w", v.App, err)
	}
	v.Value = plain
	return &v, nil
}

func (r *reader) appValue(ctx context.Context, q querier, org, app, key string) (*carillon.AppValue, error) {
	v, ok, err := first(ctx, q, r.scanAppValue, `SELECT org, app, key, expires_at, sealed FROM app_values
		WHERE org = $1 AND app = $2 AND key = $3`, org, app, key)
	if err != nil {
		return nil, wrap("read a value of app "+app, err)
	}
	if !ok {
		return nil, carillon.NotFound("value", key)
	}
	return v, nil
}

// AppValue reads what an app keeps under a key.
func (r *reader) AppValue(ctx context.Context, org, app, key string) (*carillon.AppValue, error) {
	return r.appValue(ctx, r.pool, org, app, key)
}

// AppValue reads inside the transaction.
func (t *tx) AppValue(ctx context.Context, org, app, key string) (*carillon.AppValue, error) {
	return t.batch.store.appValue(ctx, t, org, app, key)
}

// PutAppValue inserts or replaces what an app keeps under a key.
func (t *tx) PutAppValue(ctx context.Context, v *carillon.AppValue) error {
	there, err := t.hasApp(ctx, v.Org, v.App)
	if err != nil {
		return err
	}
	if !there {
		return carillon.NotFound("app", v.App)
	}
	sealed, err := t.batch.store.sealer.Seal(v.Value, appValuePlace(v.Org, v.App, v.Key))
	if err != nil {
		return wrap("put a value of app "+v.App, err)
	}
	expires := sql.NullInt64{Int64: toMillis(v.ExpiresAt), Valid: !v.ExpiresAt.IsZero()}
	_, err = t.exec(ctx, `INSERT INTO app_values (org, app, key, expires_at, sealed) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (org, app, key) DO UPDATE SET expires_at = excluded.expires_at, sealed = excluded.sealed`,
		v.Org, v.App, v.Key, expires, sealed)
	return wrap("put a value of app "+v.App, err)
}

// DeleteAppValue removes what an app keeps under a key.
func (t *tx) DeleteAppValue(ctx context.Context, org, app, key string) error {
	n, err := t.exec(ctx, `DELETE FROM app_values WHERE org = $1 AND app = $2 AND key = $3`, org, app, key)
	if err != nil {
		return wrap("delete a value of app "+app, err)
	}
	if n == 0 {
		return carillon.NotFound("value", key)
	}
	return nil
}

const appScheduleColumns = `org, app, name, at, unit, frequency, created_at, updated_at, sealed`

// scanAppSchedule reads a row. One that cannot be opened is given without its data, with the error.
func (r *reader) scanAppSchedule(row row) (*carillon.AppSchedule, error) {
	var s carillon.AppSchedule
	var at, created, updated int64
	var sealed []byte
	if err := row.Scan(&s.Org, &s.App, &s.Name, &at, &s.Unit, &s.Frequency, &created, &updated, &sealed); err != nil {
		return nil, err
	}
	s.At, s.CreatedAt, s.UpdatedAt = fromMillis(at), fromMillis(created), fromMillis(updated)
	plain, err := r.sealer.Open(sealed, appSchedulePlace(s.Org, s.App, s.Name))
	if err != nil {
		return &s, fmt.Errorf("open a schedule of app %s: %w", s.App, err)
	}
	if len(plain) > 0 {
		s.Data = plain
	}
	return &s, nil
}

// AppSchedules lists those of an app by name.
func (r *reader) AppSchedules(ctx context.Context, org, app string) ([]*carillon.AppSchedule, error) {
	schedules, err := list(ctx, r.pool, r.scanAppSchedule, `SELECT `+appScheduleColumns+` FROM app_schedules
		WHERE org = $1 AND app = $2 ORDER BY name`, org, app)
	return schedules, wrap("list schedules of app "+app, err)
}

// DueAppSchedules lists the first one of each app that is called at or before a time. One that cannot be opened is passed over.
func (s *Store) DueAppSchedules(ctx context.Context, until time.Time, limit int) ([]*carillon.AppSchedule, error) {
	due, closed, err := s.openSchedules(ctx, limit, `SELECT `+appScheduleColumns+` FROM app_schedules s
		WHERE at <= $1 AND NOT EXISTS (SELECT 1 FROM app_schedules earlier WHERE earlier.org = s.org AND earlier.app = s.app
			AND (earlier.at < s.at OR earlier.at = s.at AND earlier.name < s.name))
		ORDER BY at, org, app`, toMillis(until))
	if err != nil {
		return nil, wrap("list schedules that are due", err)
	}
	for _, c := range closed { // its app's next one, if that is due as well
		if len(due) == limit {
			break
		}
		next, _, err := s.openSchedules(ctx, 1, `SELECT `+appScheduleColumns+` FROM app_schedules
			WHERE org = $1 AND app = $2 AND at <= $3 ORDER BY at, name`, c.Org, c.App, toMillis(until))
		if err != nil {
			return nil, wrap("list schedules that are due", err)
		}
		due = append(due, next...)
	}
	slices.SortStableFunc(due, func(a, b *carillon.AppSchedule) int { return a.At.Compare(b.At) })
	return due, nil
}

// openSchedules lists the first schedules that can be opened, and those before them that cannot. The log tells of each of those once.
func (s *Store) openSchedules(ctx context.Context, limit int, text string, args ...any) (opened, closed []*carillon.AppSchedule, err error) {
	err = s.pool.each(ctx, func(r row) error {
		schedule, err := s.scanAppSchedule(r)
		switch {
		case schedule == nil:
			return err
		case err != nil:
			closed = append(closed, schedule)
			if _, told := s.closed.LoadOrStore([3]string{schedule.Org, schedule.App, schedule.Name}, true); !told {
				s.log.ErrorContext(ctx, "pass over a schedule", "org", schedule.Org, "app", schedule.App, "name", schedule.Name, "error", err)
			}
			return nil
		}
		if opened = append(opened, schedule); len(opened) == limit {
			return errEnough
		}
		return nil
	}, text, args...)
	return opened, closed, err
}

// AppSchedule reads inside the transaction.
func (t *tx) AppSchedule(ctx context.Context, org, app, name string) (*carillon.AppSchedule, error) {
	s, ok, err := first(ctx, t, t.batch.store.scanAppSchedule, `SELECT `+appScheduleColumns+` FROM app_schedules
		WHERE org = $1 AND app = $2 AND name = $3`, org, app, name)
	if err != nil {
		return nil, wrap("read a schedule of app "+app, err)
	}
	if !ok {
		return nil, carillon.NotFound("schedule", name)
	}
	return s, nil
}

// CountAppSchedules counts an app's schedules by whether they recur.
func (t *tx) CountAppSchedules(ctx context.Context, org, app string) (once, recurring int, err error) {
	counts, _, err := first(ctx, t, func(r row) (c [2]int, err error) {
		err = r.Scan(&c[0], &c[1])
		return c, err
	}, `SELECT COUNT(*), COUNT(NULLIF(unit, '')) FROM app_schedules WHERE org = $1 AND app = $2`, org, app)
	return counts[0] - counts[1], counts[1], wrap("count schedules of app "+app, err)
}

// PutAppSchedule inserts or replaces a schedule.
func (t *tx) PutAppSchedule(ctx context.Context, s *carillon.AppSchedule) error {
	there, err := t.hasApp(ctx, s.Org, s.App)
	if err != nil {
		return err
	}
	if !there {
		return carillon.NotFound("app", s.App)
	}
	sealed, err := t.batch.store.sealer.Seal(s.Data, appSchedulePlace(s.Org, s.App, s.Name))
	if err != nil {
		return wrap("put a schedule of app "+s.App, err)
	}
	_, err = t.exec(ctx, `INSERT INTO app_schedules (`+appScheduleColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (org, app, name) DO UPDATE SET at = excluded.at, unit = excluded.unit, frequency = excluded.frequency,
			created_at = excluded.created_at, updated_at = excluded.updated_at, sealed = excluded.sealed`,
		s.Org, s.App, s.Name, toMillis(s.At), s.Unit, s.Frequency, toMillis(s.CreatedAt), toMillis(s.UpdatedAt), sealed)
	return wrap("put a schedule of app "+s.App, err)
}

// DeleteAppSchedule removes a schedule.
func (t *tx) DeleteAppSchedule(ctx context.Context, org, app, name string) error {
	n, err := t.exec(ctx, `DELETE FROM app_schedules WHERE org = $1 AND app = $2 AND name = $3`, org, app, name)
	if err != nil {
		return wrap("delete a schedule of app "+app, err)
	}
	if n == 0 {
		return carillon.NotFound("schedule", name)
	}
	return nil
}
