package workshop

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"carillon"
	"carillon/apps/script"
	"carillon/store"
)

// Bounds of $db, which are the vendor's.
const (
	maxKey       = 60       // characters
	maxKeptValue = 40 << 10 // bytes of key and value together
	maxTTL       = 10 * 365 * 24 * time.Hour

	maxAttributes = 100 // of one update; ours
	maxPath       = 32  // levels of an attribute's path; ours
)

// values answers $db.
func (h *host) values(ctx context.Context, function string, at func(int) jsontext.Value) (jsontext.Value, error) {
	key, err := readKey(at(0))
	if err != nil {
		return nil, err
	}
	switch function {
	case "$db.get":
		return h.getValue(ctx, key)
	case "$db.set":
		return h.setValue(ctx, key, at(1), at(2))
	case "$db.update":
		return h.updateValue(ctx, key, at(1), at(2))
	default:
		return h.deleteValue(ctx, key)
	}
}

func readKey(v jsontext.Value) (string, error) {
	var key string
	if v.Kind() != '"' || json.Unmarshal(v, &key) != nil || strings.TrimSpace(key) == "" {
		return "", refuse(http.StatusBadRequest, "the key must be a text that is not blank")
	}
	if strings.ContainsFunc(key, unicode.IsControl) {
		return "", refuse(http.StatusBadRequest, "the key has control characters")
	}
	if utf8.RuneCountInString(key) > maxKey {
		return "", refuse(http.StatusBadRequest, "the key has more than %d characters", maxKey)
	}
	return key, nil
}

var errNoRecord = refuse(http.StatusNotFound, "Record not found")

func (h *host) getValue(ctx context.Context, key string) (jsontext.Value, error) {
	v, err := h.workshop.config.Store.AppValue(ctx, h.in.app.Org, h.in.app.ID, key)
	if carillon.IsNotFound(err) || err == nil && h.expired(v) {
		return nil, errNoRecord
	}
	if err != nil {
		return nil, err
	}
	return jsontext.Value(v.Value), nil
}

func (h *host) expired(v *carillon.AppValue) bool {
	return !v.ExpiresAt.IsZero() && !v.ExpiresAt.After(h.workshop.now())
}

// known reads a value inside a transaction; nil if there is none, or none any more.
func (h *host) known(ctx context.Context, tx store.Tx, key string) (*carillon.AppValue, error) {
	v, err := tx.AppValue(ctx, h.in.app.Org, h.in.app.ID, key)
	if carillon.IsNotFound(err) || err == nil && h.expired(v) {
		return nil, nil //nolint:nilnil // nothing is an answer
	}
	return v, err
}

func (h *host) setValue(ctx context.Context, key string, value, options jsontext.Value) (jsontext.Value, error) {
	given, err := readObject(value)
	if err != nil || len(given) == 0 {
		return nil, refuse(http.StatusBadRequest, "the value must be an object that is not empty")
	}
	var o struct {
		TTL   jsontext.Value `json:"ttl"`
		SetIf jsontext.Value `json:"setIf"`
	}
	if options.Kind() != 'n' && json.Unmarshal(options, &o) != nil {
		return nil, refuse(http.StatusBadRequest, "the options must be an object with ttl and setIf")
	}
	v := &carillon.AppValue{Org: h.in.app.Org, App: h.in.app.ID, Key: key, Value: json.RawMessage(nullEmpty(value))}
	if len(o.TTL) > 0 && o.TTL.Kind() != 'n' {
		seconds, err := strconv.ParseFloat(string(o.TTL), 64)
		if err != nil || seconds <= 0 || seconds > maxTTL.Seconds() {
			return nil, refuse(http.StatusBadRequest, "ttl must be a number of seconds, more than 0")
		}
		v.ExpiresAt = h.workshop.now().Add(time.Duration(seconds * float64(time.Second))).Truncate(time.Millisecond)
	}
	var setIf string
	if len(o.SetIf) > 0 && o.SetIf.Kind() != 'n' {
		if json.Unmarshal(o.SetIf, &setIf) != nil || setIf != "exist" && setIf != "not_exist" {
			return nil, refuse(http.StatusBadRequest, "setIf must be exist or not_exist")
		}
	}
	if err := fits(v); err != nil {
		return nil, err
	}
	err = h.write(ctx, func(ctx context.Context, tx store.Tx) error {
		if setIf != "" {
			known, err := h.known(ctx, tx, key)
			if err != nil {
				return err
			}
			if (known != nil) != (setIf == "exist") {
				return refuse(http.StatusBadRequest, "the condition of setIf (%s) is not met", setIf)
			}
		}
		return tx.PutAppValue(ctx, v)
	})
	if err != nil {
		return nil, err
	}
	return jsontext.Value(`{"Created":true}`), nil
}

// write changes what the app keeps. A refusal comes out as it is.
func (h *host) write(ctx context.Context, fn func(ctx context.Context, tx store.Tx) error) error {
	err := h.workshop.config.Store.Update(ctx, fn)
	if rejection, ok := errors.AsType[*script.Rejection](err); ok {
		return rejection
	}
	if carillon.IsNotFound(err) {
		return refuse(http.StatusGone, "the app is no longer installed")
	}
	return err
}

func fits(v *carillon.AppValue) error {
	if len(v.Key)+len(v.Value) > maxKeptValue {
		return refuse(http.StatusBadRequest, "key and value have more than %d KB", maxKeptValue>>10)
	}
	return nil
}

func (h *host) deleteValue(ctx context.Context, key string) (jsontext.Value, error) {
	err := h.write(ctx, func(ctx context.Context, tx store.Tx) error {
		known, err := h.known(ctx, tx, key)
		if err != nil {
			return err
		}
		if known == nil {
			return errNoRecord
		}
		return tx.DeleteAppValue(ctx, h.in.app.Org, h.in.app.ID, key)
	})
	if err != nil {
		return nil, err
	}
	return jsontext.Value(`{"Deleted":true}`), nil
}

// updateValue alters attributes of a value. What it has expired for stays.
func (h *host) updateValue(ctx context.Context, key string, how, attributes jsontext.Value) (jsontext.Value, error) {
	alter, err := readAlteration(how, attributes)
	if err != nil {
		return nil, err
	}
	err = h.write(ctx, func(ctx context.Context, tx store.Tx) error {
		v, err := h.known(ctx, tx, key)
		if err != nil {
			return err
		}
		if v == nil {
			return errNoRecord
		}
		t := &tree{text: jsontext.Value(v.Value)}
		if !t.enter() {
			return errNotObject
		}
		if err := alter(ctx, t); err != nil {
			return err
		}
		v.Value = json.RawMessage(nullEmpty(t.append(nil)))
		if err := fits(v); err != nil {
			return err
		}
		return tx.PutAppValue(ctx, v)
	})
	if err != nil {
		return nil, err
	}
	return jsontext.Value(`{"Updated":true}`), nil
}

// alteration alters a value that was entered.
type alteration func(ctx context.Context, t *tree) error

// readAlteration reads what an update shall do. Whatever can be told without the value is told here, outside of a transaction.
func readAlteration(how, attributes jsontext.Value) (alteration, error) {
	var act string
	_ = json.Unmarshal(how, &act) // what is no text is no act
	switch act {
	case "increment", "append", "set":
		given, err := readObject(attributes)
		if err != nil || len(given) == 0 {
			return nil, refuse(http.StatusBadRequest, "%s needs an object of attributes that is not empty", act)
		}
		names := make([]string, len(given))
		for i, m := range given {
			names[i] = m.name
		}
		return func(ctx context.Context, t *tree) error { return t.alter(ctx, act, given) }, checkAttributes(names)
	case "remove":
		var names []string
		if json.Unmarshal(attributes, &names) != nil || len(names) == 0 {
			return nil, refuse(http.StatusBadRequest, "remove needs a list of attributes that is not empty")
		}
		return func(ctx context.Context, t *tree) error { return t.remove(ctx, names) }, checkAttributes(names)
	default:
		return nil, refuse(http.StatusBadRequest, "update takes increment, append, set or remove")
	}
}

// checkAttributes bounds the work of an update, during which nobody else can write.
func checkAttributes(names []string) error {
	if len(names) > maxAttributes {
		return refuse(http.StatusBadRequest, "an update takes at most %d attributes", maxAttributes)
	}
	for _, name := range names {
		if strings.TrimSpace(name) == "" {
			return refuse(http.StatusBadRequest, "an attribute's name is blank")
		}
		if strings.Count(name, ".") >= maxPath {
			return refuse(http.StatusBadRequest, "%s has more than %d levels", shown(name), maxPath)
		}
	}
	return nil
}

// alter increments, extends or sets attributes.
func (t *tree) alter(ctx context.Context, act string, given object) error {
	for _, m := range given {
		err := context.Cause(ctx)
		if err != nil {
			return err
		}
		switch act {
		case "increment":
			err = t.increment(m)
		case "append":
			err = t.extend(m)
		default:
			t.put(m.name, m.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// remove removes attributes, which must be there.
func (t *tree) remove(ctx context.Context, names []string) error {
	for _, name := range names {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if !t.drop(name) {
			return refuse(http.StatusBadRequest, "there is no attribute %s to remove", shown(name))
		}
	}
	return nil
}

// increment adds to a number at the top level, which begins at 0.
func (t *tree) increment(m member) error {
	by, err := strconv.ParseFloat(string(m.value), 64)
	if err != nil {
		return refuse(http.StatusBadRequest, "%s can be incremented by a number only", shown(m.name))
	}
	was := 0.0
	if known := t.get(m.name); known.Kind() != 'n' {
		if was, err = strconv.ParseFloat(string(known), 64); err != nil {
			return refuse(http.StatusBadRequest, "%s is no number, and cannot be incremented", shown(m.name))
		}
	}
	sum := was + by
	if math.IsInf(sum, 0) {
		return refuse(http.StatusBadRequest, "%s would become larger than a number can be", shown(m.name))
	}
	text, err := json.Marshal(sum)
	if err != nil {
		return err
	}
	t.set(m.name, text)
	return nil
}

// extend appends the elements of a list to a list, which begins empty.
func (t *tree) extend(m member) error {
	var more, list []json.RawMessage
	if m.value.Kind() != '[' || json.Unmarshal(m.value, &more) != nil {
		return refuse(http.StatusBadRequest, "%s can be appended to by a list only", shown(m.name))
	}
	if known := t.get(m.name); known.Kind() != 'n' {
		if known.Kind() != '[' || json.Unmarshal(known, &list) != nil {
			return refuse(http.StatusBadRequest, "%s is no list, and cannot be appended to", shown(m.name))
		}
	}
	text, err := json.Marshal(append(list, more...))
	if err != nil {
		return err
	}
	t.set(m.name, text)
	return nil
}

// shown is a stranger's name as it may be shown.
func shown(name string) string {
	if utf8.RuneCountInString(name) > maxKey {
		name = string([]rune(name)[:maxKey]) + "…"
	}
	return strconv.Quote(name)
}
