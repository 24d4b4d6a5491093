package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"

	"carillon"
	"carillon/store"
)

// cache keeps what acts of one batch read again and again. It must be emptied when what it holds may have been undone.
type cache struct {
	heads        map[string]store.Head
	customFields map[fieldsKey][]*carillon.CustomField
	valueLists   map[string][]*carillon.ValueList
}

type fieldsKey struct {
	org  string
	kind carillon.Kind
}

func (c *cache) keepHead(org string, head store.Head) {
	if c.heads == nil {
		c.heads = make(map[string]store.Head)
	}
	c.heads[org] = head
}

func scanCustomField(r row) (*carillon.CustomField, error) {
	var f carillon.CustomField
	var options []byte
	if err := r.Scan(&f.Org, (*string)(&f.Kind), &f.UID, &f.Label, (*string)(&f.Type), &options); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(options, &f.Options); err != nil {
		return nil, fmt.Errorf("decode options of custom field %s: %w", f.UID, err)
	}
	return &f, nil
}

func customFields(ctx context.Context, q querier, org string, kind carillon.Kind) ([]*carillon.CustomField, error) {
	fields, err := list(ctx, q, scanCustomField, `SELECT org, kind, uid, label, type, options FROM custom_fields
		WHERE org = $1 AND kind = $2 ORDER BY uid`, org, string(kind))
	return fields, wrap("list custom fields", err)
}

// CustomFields lists the custom fields of a kind by uid.
func (r *reader) CustomFields(ctx context.Context, org string, kind carillon.Kind) ([]*carillon.CustomField, error) {
	return customFields(ctx, r.pool, org, kind)
}

// CustomFields lists the custom fields of a kind by uid. Acts share them.
func (t *tx) CustomFields(ctx context.Context, org string, kind carillon.Kind) ([]*carillon.CustomField, error) {
	key := fieldsKey{org, kind}
	if fields, ok := t.batch.cache.customFields[key]; ok {
		return fields, nil
	}
	fields, err := customFields(ctx, t, org, kind)
	if err != nil {
		return nil, err
	}
	if t.batch.cache.customFields == nil {
		t.batch.cache.customFields = make(map[fieldsKey][]*carillon.CustomField)
	}
	t.batch.cache.customFields[key] = fields
	return fields, nil
}

// PutCustomField inserts or replaces a custom field.
func (t *tx) PutCustomField(ctx context.Context, f *carillon.CustomField) error {
	options, err := json.Marshal(f.Options)
	if err != nil {
		return fmt.Errorf("encode options of custom field %s: %w", f.UID, err)
	}
	delete(t.batch.cache.customFields, fieldsKey{f.Org, f.Kind})
	_, err = t.exec(ctx, `INSERT INTO custom_fields (org, kind, uid, label, type, options) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (org, kind, uid) DO UPDATE SET label = excluded.label, type = excluded.type, options = excluded.options`,
		f.Org, string(f.Kind), f.UID, f.Label, string(f.Type), string(options))
	return wrap("put custom field "+f.UID, err)
}

// DeleteCustomField removes a custom field. Fails with not_found.
func (t *tx) DeleteCustomField(ctx context.Context, org string, kind carillon.Kind, uid string) error {
	delete(t.batch.cache.customFields, fieldsKey{org, kind})
	n, err := t.exec(ctx, `DELETE FROM custom_fields WHERE org = $1 AND kind = $2 AND uid = $3`, org, string(kind), uid)
	if err != nil {
		return wrap("delete custom field "+uid, err)
	}
	if n == 0 {
		return carillon.NotFound("custom field", uid)
	}
	return nil
}

func scanValueList(r row) (*carillon.ValueList, error) {
	var l carillon.ValueList
	var items []byte
	if err := r.Scan(&l.Org, &l.Name, &items); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(items, &l.Values); err != nil {
		return nil, fmt.Errorf("decode value list %s: %w", l.Name, err)
	}
	return &l, nil
}

func valueLists(ctx context.Context, q querier, org string) ([]*carillon.ValueList, error) {
	lists, err := list(ctx, q, scanValueList, `SELECT org, name, items FROM value_lists WHERE org = $1 ORDER BY name`, org)
	return lists, wrap("list value lists", err)
}

// ValueLists lists the value lists that the org edited, by name.
func (r *reader) ValueLists(ctx context.Context, org string) ([]*carillon.ValueList, error) {
	return valueLists(ctx, r.pool, org)
}

// ValueLists lists the value lists that the org edited, by name. Acts share them.
func (t *tx) ValueLists(ctx context.Context, org string) ([]*carillon.ValueList, error) {
	if lists, ok := t.batch.cache.valueLists[org]; ok {
		return lists, nil
	}
	lists, err := valueLists(ctx, t, org)
	if err != nil {
		return nil, err
	}
	if t.batch.cache.valueLists == nil {
		t.batch.cache.valueLists = make(map[string][]*carillon.ValueList)
	}
	t.batch.cache.valueLists[org] = lists
	return lists, nil
}

// PutValueList inserts or replaces a value list.
func (t *tx) PutValueList(ctx context.Context, l *carillon.ValueList) error {
	items, err := json.Marshal(l.Values)
	if err != nil {
		return fmt.Errorf("encode value list %s: %w", l.Name, err)
	}
	delete(t.batch.cache.valueLists, l.Org)
	_, err = t.exec(ctx, `INSERT INTO value_lists (org, name, items) VALUES ($1, $2, $3)
		ON CONFLICT (org, name) DO UPDATE SET items = excluded.items`, l.Org, l.Name, string(items))
	return wrap("put value list "+l.Name, err)
}

// DeleteValueList removes a value list. Fails with not_found.
func (t *tx) DeleteValueList(ctx context.Context, org, name string) error {
	delete(t.batch.cache.valueLists, org)
	n, err := t.exec(ctx, `DELETE FROM value_lists WHERE org = $1 AND name = $2`, org, name)
	if err != nil {
		return wrap("delete value list "+name, err)
	}
	if n == 0 {
		return carillon.NotFound("value list", name)
	}
	return nil
}
