package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"carillon"
	"carillon/access"
)

type keyCmd struct {
	Create keyCreateCmd `cmd:"" help:"Make a key and print its secret, which is never shown again."`
	List   keyListCmd   `cmd:"" help:"List an org's keys."`
	Delete keyDeleteCmd `cmd:"" help:"Delete a key."`
}

// keyFlags say whose keys. The commands work on the data directory itself, whether or not a server runs on it.
type keyFlags struct {
	dataFlags `embed:""`
	Org       string `help:"The org that the keys belong to." default:"default"`
	JSON      bool   `help:"Print JSON."`
}

// with opens the gate for the length of one act.
func (f keyFlags) with(ctx context.Context, d *desk, act func(*access.Gate) error) error {
	archive, err := f.openArchive(ctx, d.log)
	if err != nil {
		return err
	}
	return errors.Join(act(access.New(archive, access.Options{})), archive.Close())
}

type shownKey struct {
	ID        string         `json:"id"`
	Org       string         `json:"org"`
	Name      string         `json:"name"`
	Right     carillon.Right `json:"right"`
	CreatedAt time.Time      `json:"createdAt"`
	Secret    string         `json:"secret,omitzero"`
}

func showKey(k *carillon.Key, secret string) shownKey {
	return shownKey{ID: k.ID, Org: k.Org, Name: k.Name, Right: k.Right, CreatedAt: k.CreatedAt, Secret: secret}
}

type keyCreateCmd struct {
	keyFlags `embed:""`
	Name     string `help:"What the key is for." required:"true"`
	Right    string `help:"What it may do: read, write, admin; each includes those before." enum:"read,write,admin" default:"write"`
}

// Run makes a key. Only the secret goes to stdout, so that a script can keep it.
func (c *keyCreateCmd) Run(ctx context.Context, d *desk) error {
	return c.with(ctx, d, func(gate *access.Gate) error {
		key, secret, err := gate.Create(ctx, c.Org, c.Name, carillon.Right(c.Right), carillon.Actor{})
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(d.stdout, showKey(key, secret))
		}
		fmt.Fprintf(d.stderr, "key %s of org %s may %s; its secret is shown this once:\n", key.ID, key.Org, key.Right)
		_, err = fmt.Fprintln(d.stdout, secret)
		return err
	})
}

type keyListCmd struct {
	keyFlags `embed:""`
}

// Run lists keys, without their secrets.
func (c *keyListCmd) Run(ctx context.Context, d *desk) error {
	return c.with(ctx, d, func(gate *access.Gate) error {
		keys, err := gate.List(ctx, c.Org)
		if err != nil {
			return err
		}
		if c.JSON {
			for _, k := range keys {
				if err := printJSON(d.stdout, showKey(k, "")); err != nil {
					return err
				}
			}
			return nil
		}
		list := table{header: []string{"ID", "NAME", "RIGHT", "CREATED"}}
		for _, k := range keys {
			list.add(k.ID, k.Name, string(k.Right), carillon.FormatTime(k.CreatedAt))
		}
		return list.print(d.stdout)
	})
}

type keyDeleteCmd struct {
	keyFlags `embed:""`
	ID       string `arg:"" help:"The key's id."`
}

// Run deletes a key. A running server lets it in for five more seconds at most.
func (c *keyDeleteCmd) Run(ctx context.Context, d *desk) error {
	return c.with(ctx, d, func(gate *access.Gate) error {
		if err := gate.Delete(ctx, c.Org, c.ID); err != nil {
			return err
		}
		if c.JSON {
			return printJSON(d.stdout, map[string]string{"deleted": c.ID})
		}
		_, err := fmt.Fprintf(d.stdout, "deleted %s\n", c.ID)
		return err
	})
}
