package sqlstore

import (
	"context"

	"carillon"
)

const keyColumns = `org, id, name, "right", actor_id, actor_type, actor_email, hash, created_at`

func scanKey(r row) (*carillon.Key, error) {
	var k carillon.Key
	var hash []byte
	var created int64
	err := r.Scan(&k.Org, &k.ID, &k.Name, (*string)(&k.Right), &k.Actor.ID, &k.Actor.Type, &k.Actor.Email, &hash, &created)
	if err != nil {
		return nil, err
	}
	copy(k.Hash[:], hash)
	k.CreatedAt = fromMillis(created)
	return &k, nil
}

// KeyByHash finds an API key by the SHA-256 of its secret.
func (r *reader) KeyByHash(ctx context.Context, hash [32]byte) (*carillon.Key, error) {
	k, ok, err := first(ctx, r.pool, scanKey, `SELECT `+keyColumns+` FROM keys WHERE hash = $1`, hash[:])
	if err != nil {
		return nil, wrap("find key", err)
	}
	if !ok {
		return nil, &carillon.Error{Code: carillon.CodeNotFound, Message: "nobody knows this key"}
	}
	return k, nil
}

// Keys lists the keys of an org by id.
func (r *reader) Keys(ctx context.Context, org string) ([]*carillon.Key, error) {
	keys, err := list(ctx, r.pool, scanKey, `SELECT `+keyColumns+` FROM keys WHERE org = $1 ORDER BY id`, org)
	return keys, wrap("list keys", err)
}

// PutKey inserts or replaces a key.
func (t *tx) PutKey(ctx context.Context, k *carillon.Key) error {
	_, err := t.exec(ctx, `INSERT INTO keys (`+keyColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (org, id) DO UPDATE SET name = excluded.name, "right" = excluded."right", actor_id = excluded.actor_id,
			actor_type = excluded.actor_type, actor_email = excluded.actor_email, hash = excluded.hash,
			created_at = excluded.created_at`,
		k.Org, k.ID, k.Name, string(k.Right), k.Actor.ID, k.Actor.Type, k.Actor.Email, k.Hash[:], toMillis(k.CreatedAt))
	return wrap("put key "+k.ID, err)
}

// DeleteKey removes a key.
func (t *tx) DeleteKey(ctx context.Context, org, id string) error {
	n, err := t.exec(ctx, `DELETE FROM keys WHERE org = $1 AND id = $2`, org, id)
	if err != nil {
		return wrap("delete key "+id, err)
	}
	if n == 0 {
		return carillon.NotFound("key", id)
	}
	return nil
}
