package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
)

// reader holds the read methods of Store. Each call sees what is committed when it begins.
type reader struct {
	db     *sql.DB
	pool   *session // on db
	flavor *flavor
	sealer Sealer
}

// view runs fn with a querier that sees one state of the archive throughout.
func (r *reader) view(ctx context.Context, fn func(q querier) error) error {
	tx, err := r.db.BeginTx(ctx, &r.flavor.view)
	if err != nil {
		return fmt.Errorf("begin view: %w", r.flavor.translate(err))
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	return fn(view{tx: tx, pool: r.pool})
}
