package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"carillon/store/sqlstore"
	"carillon/vault"
)

// Files of a data directory.
const (
	databaseFile = "carillon.db"
	keysetFile   = "secrets.json" // the key that secrets are sealed with, unless --secret-key gives one
	lockFile     = "serve.lock"
)

// dataFlags say where the archive is.
type dataFlags struct {
	Data        string `help:"The directory that holds the archive; made if absent." default:"carillon-data" type:"path" placeholder:"DIR"`
	DatabaseURL string `help:"Keep the archive in PostgreSQL (postgres://…) instead." name:"database-url" placeholder:"URL"`
	SecretKey   string `help:"Seal secrets with this key (base64 of 32 random bytes) instead of one kept in the data directory." placeholder:"KEY"`
}

// openArchive opens the store, for a server or beside one.
func (f dataFlags) openArchive(ctx context.Context, log *slog.Logger) (*sqlstore.Store, error) {
	if err := f.prepare(); err != nil {
		return nil, err
	}
	sealer, err := f.openVault()
	if err != nil {
		return nil, err
	}
	return sqlstore.OpenSQLite(ctx, sqlstore.Options{
		Path: filepath.Join(f.Data, databaseFile), Sealer: sealer, Logger: log,
	})
}

func (f dataFlags) openVault() (*vault.Vault, error) {
	if f.SecretKey != "" {
		return vault.FromKey(f.SecretKey)
	}
	return vault.Open(filepath.Join(f.Data, keysetFile))
}

// prepare makes the data directory.
func (f dataFlags) prepare() error {
	if f.DatabaseURL != "" {
		return wrongUsage("--database-url: this version keeps its archive in SQLite only; leave it out and name a directory with --data")
	}
	if err := os.MkdirAll(f.Data, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	return nil
}

// lock keeps a second server off the directory: two would deliver everything twice.
func (f dataFlags) lock() (unlock func(), err error) {
	if err := f.prepare(); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(f.Data, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	if err := lock(file); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the data directory: %s is served by another process: %w", f.Data, err), file.Close())
	}
	return func() { _ = file.Close() }, nil
}
