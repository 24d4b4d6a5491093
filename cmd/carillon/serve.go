package main

import (
	"context"
	"fmt"
)

type serveCmd struct {
	houseFlags `embed:""`
	Listen     string `help:"Answer HTTP on this address; port 0 picks a free one." default:"127.0.0.1:8080" placeholder:"HOST:PORT"`
}

// Run serves until it is told to stop. The one line on stdout says where, once requests are answered.
func (c *serveCmd) Run(ctx context.Context, d *desk) error {
	listener, err := listenOn(ctx, c.Listen, c.Dev)
	if err != nil {
		return err
	}
	house, err := openHouse(ctx, c.houseFlags, d.log)
	if err != nil {
		_ = listener.Close()
		return err
	}
	return house.run(ctx, listener, func() {
		fmt.Fprintf(d.stdout, "listening on http://%s\n", listener.Addr())
	})
}
